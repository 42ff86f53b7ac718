-- An append writes one page, that of the event: events lie by deployment and number, and what can be told from them is.
CREATE TABLE events (
    -- The deployment's `seq` in the upper 31 bits, the event's number in the lower 32.
    key INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

INSERT INTO events (key, at, name, body)
SELECT d.seq << 32 | e.number, e.at, e.name, e.body
FROM deployment_events e JOIN deployments d ON d.id = e.deployment
ORDER BY 1;

DROP TABLE service_instances;
DROP TABLE deployment_events;
ALTER TABLE deployments DROP COLUMN events;

CREATE VIEW deployment_events AS
SELECT d.id AS deployment, e.key & 0xffffffff AS number, e.at, e.name, e.body
FROM deployments d JOIN events e ON e.key > d.seq << 32 AND e.key < (d.seq + 1) << 32;

CREATE VIEW service_instances AS
SELECT
    known.deployment,
    known.track,
    known.instance,
    newest.body ->> '$.side' AS side,
    newest.body ->> '$.folded.health' AS health,
    newest.body ->> '$.folded.since' AS since,
    CASE
        WHEN ended.body ->> '$.exit.code' IS NOT NULL THEN 'exit status ' || (ended.body ->> '$.exit.code')
        WHEN ended.body ->> '$.exit.signal' IS NOT NULL THEN 'ended by signal ' || (ended.body ->> '$.exit.signal')
        WHEN ended.body IS NOT NULL THEN 'ended, status unknown'
    END AS ended,
    newest.at
FROM (
    SELECT
        d.id AS deployment,
        e.body ->> '$.track' AS track,
        e.body ->> '$.instance' AS instance,
        max(e.key) AS newest,
        max(e.key) FILTER (WHERE e.name = 'instance_ended') AS ended
    FROM deployments d JOIN events e ON e.key > d.seq << 32 AND e.key < (d.seq + 1) << 32
    WHERE e.name IN ('health_changed', 'instance_ended')
    GROUP BY d.id, e.body ->> '$.track', e.body ->> '$.instance'
) known
JOIN events newest ON newest.key = known.newest
LEFT JOIN events ended ON ended.key = known.ended;

-- The newest time that was written is `latest`, or that of the newest event of the deployment `newest`, to which was
-- appended last.
ALTER TABLE meta ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;
CREATE VIEW latest AS
SELECT latest AS kept, (
    SELECT at FROM events WHERE key > newest << 32 AND key < (newest + 1) << 32 ORDER BY key DESC LIMIT 1
) AS newest
FROM meta;

-- Each row given here adds an event after the one numbered `version`: so an append is one statement, one way to the
-- connection's thread and one transaction. It is refused where the record has moved on or the epoch is not the scope's
-- newest. What would not be told of the time any more is kept before.
CREATE VIEW appends AS
SELECT id AS deployment, 0 AS version, 0 AS epoch, '' AS at, '' AS name, '' AS body, status, active, progress, ended
FROM deployments;

CREATE TRIGGER append INSTEAD OF INSERT ON appends
BEGIN
    SELECT RAISE(ABORT, 'refused')
    WHERE NOT EXISTS (
        SELECT 1 FROM deployments d
        WHERE d.id = NEW.deployment AND NEW.version BETWEEN 1 AND 0xfffffffe
        AND EXISTS (SELECT 1 FROM events WHERE key = d.seq << 32 | NEW.version)
        AND NOT EXISTS (SELECT 1 FROM events WHERE key = (d.seq << 32 | NEW.version) + 1)
        AND NEW.epoch = coalesce((
            SELECT epoch FROM leases l WHERE l.application = d.application AND l.environment = d.environment
        ), 0)
    );

    UPDATE meta SET
        latest = coalesce((SELECT newest FROM latest WHERE rtrim(newest, 'Z') > rtrim(kept, 'Z')), latest),
        newest = (SELECT seq FROM deployments WHERE id = NEW.deployment)
    WHERE newest <> (SELECT seq FROM deployments WHERE id = NEW.deployment)
    OR (SELECT rtrim(newest, 'Z') > max(rtrim(kept, 'Z'), rtrim(NEW.at, 'Z')) FROM latest);

    INSERT INTO events (key, at, name, body)
    SELECT (seq << 32 | NEW.version) + 1, NEW.at, NEW.name, NEW.body FROM deployments WHERE id = NEW.deployment;

    UPDATE deployments SET status = NEW.status, active = NEW.active, progress = NEW.progress, ended = NEW.ended
    WHERE NEW.status IS NOT NULL AND id = NEW.deployment;
END;
