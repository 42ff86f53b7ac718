//! Which ports belong to which workload.
//!
//! A slot is a port. When a workload is prepared for the first time, it gets a block of ports of its own, as many as it may have
//! instances; that stands in `ports.json` and never changes. A workload whose instances listen on more than one port
//! gets a further block for each of the others: instance `i` has port `i` of every block. So no two workloads of a root
//! ever share a port.

use crate::error::corrupt;
use crate::host::Host;
use deploy_core::{Error, Kind, Name, Result, TrackRef};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The ports of one workload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Blocks {
    /// How many ports each block has.
    slots: u16,
    /// The first port of each block.
    starts: Vec<u16>,
}

type Table = BTreeMap<String, Blocks>;

impl Blocks {
    /// The slots, by the ports that name them.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u16> {
        let first = self.starts.first().copied().unwrap_or_default();
        (0..self.slots).map(move |index| first + index)
    }

    /// All ports that belong to a slot.
    pub(crate) fn of_slot(&self, slot: u16) -> impl Iterator<Item = u16> {
        let index = slot - self.starts.first().copied().unwrap_or_default();
        self.starts.iter().map(move |start| start + index)
    }

    /// The ports of a slot by name, the routed one the slot's own.
    pub(crate) fn ports(&self, slot: u16, routed: Option<&Name>, names: &BTreeMap<Name, u16>) -> BTreeMap<Name, u16> {
        let index = slot - self.starts.first().copied().unwrap_or_default();
        let others = names.keys().filter(|name| Some(*name) != routed).zip(self.starts.iter().skip(1));
        let others = others.map(|(name, start)| (name.clone(), start + index));
        routed.map(|name| (name.clone(), slot)).into_iter().chain(others).collect()
    }

    fn all(&self) -> impl Iterator<Item = RangeInclusive<u32>> {
        self.starts.iter().map(|start| u32::from(*start)..=u32::from(*start) + u32::from(self.slots) - 1)
    }
}

/// The ports of a root.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    pub(crate) root: PathBuf,
    pub(crate) range: RangeInclusive<u16>,
    pub(crate) slots: u16,
}

impl Ports {
    fn file(&self) -> PathBuf {
        self.root.join("ports.json")
    }

    /// The blocks of a workload, or what it would get now: looking takes nothing.
    pub(crate) async fn look(&self, host: &dyn Host, track: &TrackRef) -> Result<Blocks> {
        let table = self.read(host).await?;
        self.extended(&table, &key(track), 1).map_err(|error| error.with("track", track))
    }

    /// The blocks of a workload, at least so many; the missing ones are taken now and for good.
    pub(crate) async fn take(&self, host: &dyn Host, track: &TrackRef, least: usize) -> Result<Blocks> {
        let key = key(track);
        if let Some(blocks) = self.read(host).await?.remove(&key).filter(|blocks| blocks.starts.len() >= least.max(1)) {
            return Ok(blocks);
        }
        host.make_dir(&self.root, 0o755).await?;
        let _guard = host.lock(&self.root.join("ports.lock")).await?;
        let mut table = self.read(host).await?;
        let blocks = self.extended(&table, &key, least).map_err(|error| error.with("track", track))?;
        table.insert(key, blocks.clone());
        let text = serde_json::to_vec_pretty(&table).map_err(|error| corrupt(&self.file(), error))?;
        host.write(&self.file(), &text, 0o644).await?;
        Ok(blocks)
    }

    /// Gives the ports of a workload back.
    pub(crate) async fn forget(&self, host: &dyn Host, track: &TrackRef) -> Result<()> {
        let _guard = host.lock(&self.root.join("ports.lock")).await?;
        let mut table = self.read(host).await?;
        table.remove(&key(track));
        let text = serde_json::to_vec_pretty(&table).map_err(|error| corrupt(&self.file(), error))?;
        host.write(&self.file(), &text, 0o644).await
    }

    async fn read(&self, host: &dyn Host) -> Result<Table> {
        let file = self.file();
        let Some(text) = host.read(&file).await? else { return Ok(Table::new()) };
        serde_json::from_slice(&text).map_err(|error| corrupt(&file, error))
    }

    fn extended(&self, table: &Table, key: &str, least: usize) -> Result<Blocks> {
        let mut blocks = table.get(key).cloned().unwrap_or(Blocks { slots: self.slots, starts: Vec::new() });
        while blocks.starts.len() < least.max(1) {
            let taken: Vec<_> = table.values().chain([&blocks]).flat_map(Blocks::all).collect();
            blocks.starts.push(self.free(&taken, blocks.slots)?);
        }
        Ok(blocks)
    }

    /// The first run of free ports.
    fn free(&self, taken: &[RangeInclusive<u32>], slots: u16) -> Result<u16> {
        let mut start = u32::from(*self.range.start());
        loop {
            let end = start + u32::from(slots) - 1;
            if end > u32::from(*self.range.end()) {
                return Err(self.full(slots));
            }
            match taken.iter().find(|block| start <= *block.end() && *block.start() <= end) {
                Some(block) => start = block.end() + 1,
                None => return u16::try_from(start).map_err(|_| self.full(slots)),
            }
        }
    }

    fn full(&self, slots: u16) -> Error {
        let (first, last) = (self.range.start(), self.range.end());
        let words = format!(
            "no {slots} ports in a row are left of {first} to {last}: give this machine a wider range or fewer slots a workload"
        );
        Error::new(Kind::Full, words)
    }
}

fn key(track: &TrackRef) -> String {
    format!("{}/{}/{}", track.application, track.environment, track.workload)
}

/// The port a slot is named by: `local/20003`.
pub(crate) fn port_of(slot: &deploy_core::SlotId, host: &str) -> Option<u16> {
    slot.as_str().strip_prefix(host)?.strip_prefix('/')?.parse().ok()
}

/// Checks that a range can hold one workload at least.
pub(crate) fn fits(range: &RangeInclusive<u16>, slots: u16, root: &Path) -> Result<()> {
    let (first, last) = (*range.start(), *range.end());
    if slots < 2 {
        return Err(Error::at("slots_per_workload", format!("{slots} is too few: a workload needs at least 2")));
    }
    if first == 0 || u32::from(last) + 1 < u32::from(first) + u32::from(slots) {
        let words = format!("{first} to {last} holds no {slots} ports for one workload");
        return Err(Error::at("ports", words));
    }
    if !root.is_absolute() {
        return Err(Error::at("root", format!("`{}` is not an absolute path", root.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports() -> Ports {
        Ports { root: "/".into(), range: 20000..=20009, slots: 4 }
    }

    #[test]
    fn blocks_of_two_workloads_never_overlap_and_the_range_ends() {
        let mut table = Table::new();
        for (key, starts) in [("a", vec![20000]), ("b", vec![20004])] {
            let blocks = ports().extended(&table, key, 1).expect("there is room");
            assert_eq!(blocks, Blocks { slots: 4, starts });
            table.insert(key.into(), blocks);
        }
        let full = ports().extended(&table, "c", 1).expect_err("two ports are left");
        assert_eq!(full.kind(), Kind::Full);
        assert_eq!(
            full.to_string(),
            "no 4 ports in a row are left of 20000 to 20009: give this machine a wider range or fewer slots a workload"
        );
    }

    #[test]
    fn a_second_port_comes_from_a_block_of_its_own_and_the_routed_one_names_the_slot() {
        let blocks = ports().extended(&Table::new(), "a", 2).expect("there is room");
        let name = |name: &str| Name::new(name).expect("a name");
        let names = [(name("admin"), 1), (name("http"), 2)].into();
        let given = blocks.ports(20002, Some(&name("http")), &names);
        assert_eq!(given, [(name("admin"), 20006), (name("http"), 20002)].into());
    }
}
