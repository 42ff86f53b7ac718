//! Each proxy, started with what it needs to do the same.

use crate::process::{Process, find, free_port, listening, pinned};
use crate::{LOAD_CORE, PROXY_CORE};
use deploy_core::{Member, Router, Routes, Side, Split, Spread, Sticky, Timestamp, Token, TrackRef};
use deploy_traffic::ProxyClient;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How to get what is missing.
pub(crate) const HOW: &str = "it is not here: run testbed/proxies.sh";

/// Which proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Nginx,
    Haproxy,
    Kamal,
}

/// A proxy that runs, in front of two instances.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) process: Process,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Kamal => "kamal-proxy",
        }
    }

    /// Starts it before instances on two ports, half of the requests each; none where it is not installed.
    pub(crate) async fn start(self, program: &Path, instances: [u16; 2]) -> Option<Peer> {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let process = match self {
            Self::Ours => ours(program, folder.path()),
            Self::Nginx => nginx(folder.path(), port, &upstreams(&instances))?,
            Self::Haproxy => haproxy(folder.path(), port, instances)?,
            Self::Kamal => kamal(folder.path(), port)?,
        };
        let mut peer = Peer { process, port, folder };
        match self {
            Self::Ours => {
                peer.port = peer.tell(1, Spread::Split { from: side(1), to: side(2), split: half() }, instances).await;
            }
            Self::Kamal => deploy_kamal(&peer, instances).await,
            _ => {}
        }
        listening(peer.port).await;
        Some(peer)
    }
}

impl Peer {
    /// Tells our proxy where requests go, and returns its port.
    pub(crate) async fn tell(&self, generation: u64, spread: Spread, instances: [u16; 2]) -> u16 {
        let sides = [1, 2].map(|number| side(number).unwrap());
        let members = instances.into_iter().zip(sides).map(|(port, side)| member(port, side, false));
        self.apply(generation, spread, members.collect()).await
    }

    /// The same with these members.
    pub(crate) async fn apply(&self, generation: u64, spread: Spread, members: Vec<Member>) -> u16 {
        let client = self.client();
        let routes = Routes { track: track(), ports: vec![], token: Token::new(1, generation), spread, members };
        client.apply(&routes).await.unwrap();
        client.addresses(&track()).await.unwrap()[0].port()
    }

    pub(crate) fn client(&self) -> ProxyClient {
        ProxyClient::new(self.folder.path().join("proxy.sock"))
    }
}

pub(crate) fn track() -> TrackRef {
    "shop/production/web@here".parse().unwrap()
}

pub(crate) fn side(number: usize) -> Option<Side> {
    Some(Side::home(format!("v{number}").as_str().into()))
}

pub(crate) fn member(port: u16, side: Side, draining: bool) -> Member {
    let address = format!("127.0.0.1:{port}");
    let draining = draining.then(Timestamp::now);
    Member { instance: format!("web-{port}").as_str().into(), side, address, draining }
}

/// All that a split can say, but for copies, which would be requests of their own.
fn half() -> Split {
    let header = deploy_core::Match::Header { name: "x-beta".into(), value: "yes".into() };
    let sticky = Sticky { cookie: "side".into(), max_age: Duration::from_secs(3_600) };
    let mut split = Split::percent(50).sticky(sticky);
    split.matches.push(header);
    split
}

fn ours(program: &Path, folder: &Path) -> Process {
    let mut command = pinned(PROXY_CORE, program);
    command.arg("--socket").arg(folder.join("proxy.sock")).arg("--state").arg(folder.join("state.json"));
    let process = Process::start(command);
    wait_for(&folder.join("proxy.sock"));
    process
}

fn wait_for(path: &Path) {
    for _ in 0..500 {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return;
        }
        let _ = Command::new("sleep").arg("0.02").status();
    }
    panic!("{} does not answer", path.display());
}

pub(crate) fn upstreams(instances: &[u16]) -> String {
    instances.iter().map(|port| format!("server 127.0.0.1:{port};")).collect()
}

/// Writes the configuration of nginx as a proxy: one worker, connections to instances kept, no log.
pub(crate) fn write_nginx(folder: &Path, port: u16, upstreams: &str) {
    let folder_name = folder.display();
    let text = format!(
        "daemon off; worker_processes 1; pid {folder_name}/pid; error_log /dev/null;
        events {{ worker_connections 8192; }}
        http {{
            access_log off; keepalive_requests 100000000; keepalive_timeout 600s; tcp_nodelay on;
            client_body_temp_path {folder_name}; proxy_temp_path {folder_name}; fastcgi_temp_path {folder_name};
            uwsgi_temp_path {folder_name}; scgi_temp_path {folder_name};
            map $http_upgrade $upgrade {{ default upgrade; '' ''; }}
            upstream app {{ least_conn; {upstreams} keepalive 256; keepalive_requests 100000000; }}
            server {{
                listen 127.0.0.1:{port} backlog=1024;
                location / {{
                    proxy_pass http://app; proxy_http_version 1.1;
                    proxy_set_header Connection $upgrade; proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Host $http_host;
                    proxy_set_header X-Forwarded-Proto http;
                    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                }}
            }}
        }}"
    );
    std::fs::write(folder.join("nginx.conf"), text).unwrap();
}

fn nginx(folder: &Path, port: u16, upstreams: &str) -> Option<Process> {
    let program = find("nginx")?;
    write_nginx(folder, port, upstreams);
    let mut command = pinned(PROXY_CORE, program);
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
    Some(Process::start(command))
}

fn haproxy(folder: &Path, port: u16, instances: [u16; 2]) -> Option<Process> {
    let program = find("haproxy")?;
    let socket = folder.join("admin.sock");
    let text = format!(
        "global
            nbthread 1
            maxconn 8192
            stats socket {} mode 600 level admin
        defaults
            mode http
            http-reuse always
            option forwardfor
            timeout client 600s
            timeout server 60s
            timeout connect 1s
            timeout tunnel 600s
        listen app
            bind 127.0.0.1:{port}
            balance leastconn
            http-request set-header X-Forwarded-Proto http
            http-request set-header X-Forwarded-Host %[req.hdr(host)]
            server a 127.0.0.1:{}
            server b 127.0.0.1:{}
",
        socket.display(),
        instances[0],
        instances[1]
    );
    std::fs::write(folder.join("haproxy.cfg"), text).unwrap();
    let mut command = pinned(PROXY_CORE, program);
    command.arg("-db").arg("-f").arg(folder.join("haproxy.cfg"));
    Some(Process::start(command))
}

fn kamal(folder: &Path, port: u16) -> Option<Process> {
    let mut command = pinned(PROXY_CORE, find("kamal-proxy")?);
    // Go takes as many threads as there are cores; it has one.
    command.env("GOMAXPROCS", "1").env("XDG_RUNTIME_DIR", folder).env("XDG_STATE_HOME", folder).env("HOME", folder);
    let https = free_port().to_string();
    Some(Process::start({
        command.args(["run", "--http-port", &port.to_string(), "--https-port", &https]);
        command
    }))
}

async fn deploy_kamal(peer: &Peer, instances: [u16; 2]) {
    listening(peer.port).await;
    let targets = instances.map(|port| format!("127.0.0.1:{port}")).join(",");
    let folder = peer.folder.path();
    let mut command = Command::new(find("kamal-proxy").unwrap());
    command.env("XDG_RUNTIME_DIR", folder).env("XDG_STATE_HOME", folder).env("HOME", folder);
    let told = command.args(["deploy", "bench", "--target", &targets, "--health-check-path", "/"]).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
}

/// Two instances that answer at once: nginx, on the core of the load; none where it is not installed.
pub(crate) async fn instances() -> Option<(Process, TempDir, [u16; 2])> {
    let (program, folder, ports) = (find("nginx")?, tempfile::tempdir().unwrap(), [free_port(), free_port()]);
    let name = folder.path().display();
    let server = |port: u16| {
        format!("server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ return 200 '{}'; }} }}", "x".repeat(128))
    };
    let text = format!(
        "daemon off; worker_processes 1; pid {name}/pid; error_log /dev/null; events {{ worker_connections 8192; }}
        http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s; client_body_temp_path {name};
        proxy_temp_path {name}; fastcgi_temp_path {name}; uwsgi_temp_path {name}; scgi_temp_path {name};
        {} {} }}",
        server(ports[0]),
        server(ports[1])
    );
    std::fs::write(folder.path().join("nginx.conf"), text).unwrap();
    let mut command = pinned(LOAD_CORE, program);
    command.arg("-p").arg(folder.path()).arg("-c").arg(folder.path().join("nginx.conf"));
    let process = Process::start(command);
    for port in ports {
        listening(port).await;
    }
    Some((process, folder, ports))
}
