//! A machine as a platform that starts single instances.

use crate::archive::Bounds;
use crate::config::Builder;
use crate::error::{corrupt, cut};
use crate::host::{Host, Run};
use crate::layout::Layout;
use crate::log;
use crate::program::Program;
use crate::retention::Keep;
use crate::secrets::{self, Providers, Redaction, Values};
use crate::services::{Service, ServiceManager, Standing, State};
use crate::slots::{Blocks, Ports, port_of};
use crate::{changes, fence, retention, tasks};
use async_trait::async_trait;
use deploy_core::{
    Error, Fence, Instance, InstanceId, InstanceSpec, InstanceState, Instances, InstancesCapabilities, Kind, Launch,
    Name, Result, Revision, RevisionId, Side, Slot, SlotId, TaskAct, TaskOutcome, TaskRun, Timestamp, Token, TrackRef,
};
use futures::future::try_join3;
use futures::stream::BoxStream;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A plain host as a platform: releases, ports and processes under one directory.
///
/// It implements [`Instances`]; `deploy_fleet::Fleet` makes a deployer of it and a router. A plain process may use what
/// the machine has, so a spec with `resources` is refused.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) inner: Arc<Inner>,
}

/// The machine the engine runs on: a [`Machine`] as [`Machine::builder`] makes it without a host of another kind.
pub type ThisMachine = Machine;

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) root: PathBuf,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) services: Arc<dyn ServiceManager>,
    pub(crate) providers: Providers,
    pub(crate) ports: Ports,
    pub(crate) bounds: Bounds,
    pub(crate) keep: Keep,
    pub(crate) inherited: BTreeMap<String, String>,
    /// Told whenever something was started or stopped here.
    pub(crate) changed: tokio::sync::watch::Sender<()>,
}

/// What is kept of an instance with its process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) side: Side,
    pub(crate) slot: SlotId,
    pub(crate) address: Option<String>,
    pub(crate) ports: BTreeMap<String, String>,
}

/// An instance with its note.
pub(crate) struct Found {
    pub(crate) id: InstanceId,
    pub(crate) note: Note,
    pub(crate) standing: Standing,
}

impl Machine {
    /// Sets up a machine: this one, unless told otherwise.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn of(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

impl Inner {
    pub(crate) fn layout(&self, track: &TrackRef) -> Layout {
        Layout::of(&self.root, track)
    }

    pub(crate) async fn found(&self, layout: &Layout) -> Result<Vec<Found>> {
        let standing = self.services.list(&layout.instances()).await?;
        standing.into_iter().map(|(id, standing)| Found::read(layout, id.into(), standing)).collect()
    }

    async fn launch(&self, slot: &SlotId, launch: &Launch, token: Token) -> Result<()> {
        let layout = self.layout(&launch.track);
        let guard = fence::enter(&*self.host, &layout, token).await?;
        let found = self.found(&layout).await?;
        if let Some(there) = found.iter().find(|there| there.note.slot == *slot) {
            return there.is_that(&launch.side).map_err(|error| error.with("track", &launch.track));
        }
        let service = self.service(&layout, slot, launch).await.map_err(|error| error.with("track", &launch.track))?;
        self.services.start(&service).await?;
        drop(guard);
        self.services.started(&service.dir).await;
        self.changed.send_replace(());
        tracing::info!(track = %launch.track, slot = %slot, side = %launch.side, "instance launched");
        Ok(())
    }

    /// All that an instance is started with.
    async fn service(&self, layout: &Layout, slot: &SlotId, launch: &Launch) -> Result<Service> {
        let (spec, revision) = (&*launch.spec, &launch.side.revision);
        let ports = self.ports_for(slot, launch).await?;
        let id = instance_id(&launch.track, slot);
        let dir = layout.instance(&id);
        let program = Program::of(spec, layout, revision)?;
        let mut env = self.environment(layout, &launch.track, spec, revision, program.release.as_ref()).await?;
        for (name, port) in &ports {
            env.entry(format!("PORT_{}", name.as_str().to_uppercase().replace('-', "_"))).or_insert(port.to_string());
        }
        let routed = spec.routed_port().and_then(|(name, _)| ports.get(name)).copied();
        if let Some(port) = routed {
            env.entry("PORT".into()).or_insert(port.to_string());
        }
        let found = program.find(&*self.host, None, &env["PATH"]).await?;
        let cwd = program.release.clone().unwrap_or_else(|| dir.clone());
        let address = |port: &u16| format!("{}:{port}", self.host.address());
        let note = Note {
            side: launch.side.clone(),
            slot: slot.clone(),
            address: routed.as_ref().map(address),
            ports: ports.iter().map(|(name, port)| (name.to_string(), address(port))).collect(),
        };
        let note = serde_json::to_value(note).map_err(|error| corrupt(&dir, error))?;
        self.host.make_dir(&layout.shared(), 0o755).await?;
        let run = Run { program: found, args: program.args, env, dir: cwd };
        Ok(Service { dir, mark: id.as_str().to_owned(), run, note })
    }

    /// The ports of a slot, none of them taken by anybody.
    async fn ports_for(&self, slot: &SlotId, launch: &Launch) -> Result<BTreeMap<Name, u16>> {
        let ports = &launch.spec.ports;
        let blocks = self.ports.take(&*self.host, &launch.track, ports.len()).await?;
        let named = port_of(slot, self.host.name()).filter(|port| blocks.slots().any(|slot| slot == *port));
        let named = named.ok_or_else(|| Error::new(Kind::NotFound, format!("there is no slot `{slot}` here")))?;
        let given = blocks.ports(named, launch.spec.routed_port().map(|(name, _)| name), ports);
        let listening = self.host.listening().await?;
        match given.values().find(|port| listening.contains(port)) {
            Some(port) => Err(Error::new(Kind::Full, taken(*port))),
            None => Ok(given),
        }
    }

    /// The environment of everything that is run for a revision.
    pub(crate) async fn environment(
        &self,
        layout: &Layout,
        track: &TrackRef,
        spec: &InstanceSpec,
        revision: &RevisionId,
        release: Option<&PathBuf>,
    ) -> Result<BTreeMap<String, String>> {
        let mut env = self.inherited.clone();
        env.insert("HOST".into(), self.host.address().to_owned());
        env.extend(spec.env.clone());
        let values = self.values(layout, spec, revision).await?;
        env.extend(values.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())));
        let mut ours = vec![
            ("DEPLOY_APPLICATION", track.application.to_string()),
            ("DEPLOY_ENVIRONMENT", track.environment.to_string()),
            ("DEPLOY_WORKLOAD", track.workload.to_string()),
            ("DEPLOY_REVISION", revision.to_string()),
            ("DEPLOY_SHARED_DIR", layout.shared().to_string_lossy().into_owned()),
        ];
        ours.extend(release.map(|dir| ("DEPLOY_RELEASE_DIR", dir.to_string_lossy().into_owned())));
        env.extend(ours.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Ok(env)
    }

    async fn values(&self, layout: &Layout, spec: &InstanceSpec, revision: &RevisionId) -> Result<Values> {
        if spec.secrets.is_empty() {
            return Ok(Values::new());
        }
        secrets::kept(&*self.host, layout, revision).await?.ok_or_else(|| {
            Error::new(Kind::NotFound, format!("revision {revision} is not prepared here: its secrets are missing"))
        })
    }

    /// What is taken out of everything that a revision says.
    pub(crate) async fn redaction(&self, layout: &Layout, revision: &RevisionId) -> Result<Redaction> {
        let values = secrets::kept(&*self.host, layout, revision).await?;
        Ok(values.as_ref().map(Redaction::of).unwrap_or_default())
    }

    async fn stop(&self, track: &TrackRef, id: &InstanceId, grace: Duration, token: Token) -> Result<()> {
        let layout = self.layout(track);
        let _guard = fence::enter(&*self.host, &layout, token).await?;
        let dir = layout.instance(id);
        let Some(standing) = self.services.look(&dir).await? else { return Ok(()) };
        if standing.state.is_live() {
            self.services.stop(&dir, grace).await?;
            self.changed.send_replace(());
            return Ok(());
        }
        self.host.make_dir(&layout.ended(), 0o700).await?;
        self.host.remove(&layout.ended_one(id)).await?;
        self.host.rename(&dir, &layout.ended_one(id)).await
    }

    async fn slots(&self, track: &TrackRef) -> Result<Vec<Slot>> {
        let instances = self.layout(track).instances();
        let (blocks, notes, listening) =
            try_join3(self.ports.look(&*self.host, track), self.services.notes(&instances), self.host.listening())
                .await?;
        let notes = notes.into_iter().map(serde_json::from_value::<Note>);
        let notes: Vec<_> = notes.collect::<Result<_, _>>().map_err(|error| corrupt(&instances, error))?;
        let ours: BTreeSet<_> = notes.into_iter().map(|note| note.slot).collect();
        Ok(blocks.slots().map(|port| self.slot(port, &blocks, &ours, &listening)).collect())
    }

    fn slot(&self, port: u16, blocks: &Blocks, ours: &BTreeSet<SlotId>, listening: &BTreeSet<u16>) -> Slot {
        let host = self.host.name();
        let id = SlotId::new(format!("{host}/{port}"));
        let taken_port = blocks.of_slot(port).find(|port| listening.contains(port));
        let closed = taken_port.filter(|_| !ours.contains(&id)).map(taken);
        Slot { id, host: host.to_owned(), closed }
    }

    async fn serving(&self, track: &TrackRef, side: &Side, token: Token) -> Result<()> {
        let layout = self.layout(track);
        let _guard = fence::enter(&*self.host, &layout, token).await?;
        if self.host.look(&layout.release(&side.revision)).await?.is_none() {
            return Ok(());
        }
        let current = layout.current();
        let target = PathBuf::from("releases").join(side.revision.as_str());
        let before = self.host.look(&current).await?;
        let link = before.as_ref().and_then(|before| before.link.as_ref());
        if link == Some(&target) {
            return Ok(());
        }
        if before.is_some() && !link.is_some_and(|link| link.starts_with("releases")) {
            self.host.make_dir(&layout.backup(), 0o755).await?;
            let kept = layout.backup().join(stamp());
            self.host.rename(&current, &kept).await?;
            tracing::warn!(%track, kept = %kept.display(), "what stood at `current` was not ours and is kept");
        }
        self.host.link(&current, &target).await
    }

    async fn logs(&self, track: &TrackRef, id: &InstanceId, lines: usize) -> Result<Vec<String>> {
        let layout = self.layout(track);
        for dir in [layout.instance(id), layout.ended_one(id)] {
            if let Some(standing) = self.services.look(&dir).await? {
                let found = Found::read(&layout, id.clone(), standing)?;
                let redaction = self.redaction(&layout, &found.note.side.revision).await?;
                return Ok(log::last_lines(&self.services.log(&dir, log::READ_MOST).await?, &redaction, lines));
            }
        }
        Err(Error::new(Kind::NotFound, format!("no log of `{id}` is kept")).with("track", track))
    }
}

impl Found {
    fn read(layout: &Layout, id: InstanceId, standing: Standing) -> Result<Self> {
        let note = serde_json::from_value(standing.note.clone());
        Ok(Self { note: note.map_err(|error| corrupt(&layout.instance(&id), error))?, id, standing })
    }

    /// Whether what stands in a slot is what is to be launched there.
    fn is_that(&self, side: &Side) -> Result<()> {
        let Note { slot, side: there, .. } = &self.note;
        match self.standing.state {
            State::Stopping(_) => {
                Err(Error::new(Kind::Busy, format!("slot {slot} is still being left by `{}`", self.id)))
            }
            _ if there == side => Ok(()),
            _ => Err(Error::new(Kind::Busy, format!("slot {slot} holds `{}` of {there}, not {side}", self.id))),
        }
    }

    fn instance(self) -> Instance {
        let Note { side, slot, address, ports } = self.note;
        let state = match self.standing.state {
            State::Running => InstanceState::Running,
            State::Stopping(_) => InstanceState::Terminating,
            State::Ended(_) if self.standing.asked_to_end => InstanceState::Terminating,
            State::Ended(exit) => InstanceState::Exited(exit),
            State::Never => InstanceState::Exited(deploy_core::Exit::default()),
        };
        let started = Some(self.standing.asked);
        let (admitted, in_flight, health) = (false, None, None);
        Instance { id: self.id, side, slot, state, address, ports, started, admitted, in_flight, health }
    }
}

fn taken(port: u16) -> String {
    format!("port {port} is taken by another program")
}

/// An id that no other instance has: of a slot, at a point in time.
fn instance_id(track: &TrackRef, slot: &SlotId) -> InstanceId {
    let port = slot.as_str().rsplit('/').next().unwrap_or_default();
    InstanceId::new(format!("{}-{port}-{:x}", track.workload, Timestamp::now().as_nanosecond()))
}

/// A point in time as part of a file name.
pub(crate) fn stamp() -> String {
    Timestamp::now().to_string().replace(':', "-")
}

#[async_trait]
impl Instances for Machine {
    fn capabilities(&self) -> InstancesCapabilities {
        InstancesCapabilities {
            fence: Fence::Atomic,
            survives_engine: true,
            relaunch_adopted: false,
            tasks: true,
            resources: false,
            hints: true,
        }
    }

    async fn list(&self, track: &TrackRef) -> Result<Vec<Instance>> {
        let found = self.inner.found(&self.inner.layout(track)).await?;
        Ok(found.into_iter().map(Found::instance).collect())
    }

    async fn slots(&self, track: &TrackRef) -> Result<Vec<Slot>> {
        self.inner.slots(track).await
    }

    /// Starts an instance in a slot. What was begun is ended even when the caller goes away.
    async fn launch(&self, slot: &SlotId, launch: &Launch, token: Token) -> Result<()> {
        let (inner, slot, launch) = (self.inner.clone(), slot.clone(), launch.clone());
        tokio::spawn(async move { inner.launch(&slot, &launch, token).await }).await.map_err(cut)?
    }

    async fn stop(&self, track: &TrackRef, instance: &InstanceId, grace: Duration, token: Token) -> Result<()> {
        let (inner, track, instance) = (self.inner.clone(), track.clone(), instance.clone());
        tokio::spawn(async move { inner.stop(&track, &instance, grace, token).await }).await.map_err(cut)?
    }

    async fn fence(&self, track: &TrackRef, token: Token) -> Result<Token> {
        fence::raise(&*self.inner.host, &self.inner.layout(track), token).await.map(|(_, newest)| newest)
    }

    async fn token(&self, track: &TrackRef) -> Result<Token> {
        fence::newest(&*self.inner.host, &self.inner.layout(track)).await
    }

    async fn prepare(&self, track: &TrackRef, revisions: &[Revision], token: Token) -> Result<()> {
        for revision in revisions {
            self.inner.prepare(track, revision, token).await.map_err(|error| error.with("track", track))?;
        }
        Ok(())
    }

    async fn serving(&self, track: &TrackRef, side: &Side, token: Token) -> Result<()> {
        let (inner, track, side) = (self.inner.clone(), track.clone(), side.clone());
        tokio::spawn(async move { inner.serving(&track, &side, token).await }).await.map_err(cut)?
    }

    async fn task(&self, run: &TaskRun, act: TaskAct, token: Token) -> Result<TaskOutcome> {
        let (inner, run) = (self.inner.clone(), run.clone());
        tokio::spawn(async move { tasks::act(&inner, &run, act, token).await }).await.map_err(cut)?
    }

    fn changes(&self, track: &TrackRef) -> Option<BoxStream<'static, ()>> {
        Some(changes::hints(self.inner.clone(), track))
    }

    async fn logs(&self, track: &TrackRef, instance: &InstanceId, lines: usize) -> Result<Vec<String>> {
        self.inner.logs(track, instance, lines).await
    }

    async fn prune(&self, track: &TrackRef, keep: &[RevisionId]) -> Result<()> {
        retention::prune(&self.inner, track, keep).await
    }

    async fn remove(&self, track: &TrackRef, token: Token) -> Result<()> {
        let (inner, track) = (self.inner.clone(), track.clone());
        tokio::spawn(async move { retention::remove(&inner, &track, token).await }).await.map_err(cut)?
    }
}
