CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    latest TEXT NOT NULL
) STRICT;
INSERT INTO meta (one, latest) VALUES (1, '1970-01-01T00:00:00Z');

CREATE TABLE deployments (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    version TEXT NOT NULL,
    status TEXT NOT NULL,
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    progress INTEGER NOT NULL,
    created TEXT NOT NULL,
    ended TEXT,
    actor TEXT NOT NULL,
    events INTEGER NOT NULL
) STRICT;
CREATE INDEX deployments_by_scope ON deployments (application, environment, active);

CREATE TABLE deployment_events (
    deployment TEXT NOT NULL REFERENCES deployments (id),
    number INTEGER NOT NULL,
    at TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (deployment, number)
) STRICT;

CREATE TABLE service_instances (
    deployment TEXT NOT NULL REFERENCES deployments (id),
    track TEXT NOT NULL,
    instance TEXT NOT NULL,
    side TEXT NOT NULL,
    health TEXT,
    since TEXT,
    ended TEXT,
    at TEXT NOT NULL,
    PRIMARY KEY (deployment, track, instance)
) STRICT;

CREATE TABLE leases (
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    holder TEXT,
    epoch INTEGER NOT NULL,
    until TEXT NOT NULL,
    renewed TEXT NOT NULL,
    renewed_before TEXT,
    PRIMARY KEY (application, environment)
) STRICT;

CREATE TABLE signals (
    deployment TEXT NOT NULL REFERENCES deployments (id),
    number INTEGER NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    ask TEXT NOT NULL,
    PRIMARY KEY (deployment, number)
) STRICT;
