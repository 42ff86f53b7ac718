//! Programs that do what not every program does.

use deploy_core::{InstanceSpec, Kind};
use std::time::Duration;

/// How long it may take for all that a program does by itself to be seen, in looks.
pub(super) const LOOKS: u32 = 600;

/// Between two looks.
pub(super) const PACE: Duration = Duration::from_millis(50);

/// Programs that a suite may run besides those that go on until they are told to stop. What is not given is left out, and
/// told.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    pub(super) ends: Option<(InstanceSpec, i32)>,
    pub(super) stubborn: Option<InstanceSpec>,
    pub(super) says: Option<(InstanceSpec, Vec<String>)>,
    pub(super) refused: Vec<(InstanceSpec, Kind)>,
}

impl Programs {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A program that ends by itself, with this exit status.
    #[must_use]
    pub fn ends(mut self, spec: InstanceSpec, status: i32) -> Self {
        self.ends = Some((spec, status));
        self
    }

    /// A program that goes on when it is told to stop, from its first moment: it has to be killed.
    #[must_use]
    pub fn stubborn(mut self, spec: InstanceSpec) -> Self {
        self.stubborn = Some(spec);
        self
    }

    /// A program that says these lines, and runs on. At least two.
    #[must_use]
    pub fn says(mut self, spec: InstanceSpec, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.says = Some((spec, lines.into_iter().map(Into::into).collect()));
        self
    }

    /// What can never run: a file that is no program.
    #[must_use]
    pub fn never_runs(mut self, spec: InstanceSpec) -> Self {
        self.refused.push((spec, Kind::Candidate));
        self
    }

    /// Bits that are not what they should be, or a secret that cannot be resolved.
    #[must_use]
    pub fn invalid(mut self, spec: InstanceSpec) -> Self {
        self.refused.push((spec, Kind::Invalid));
        self
    }

    pub(super) fn refused(&self, kind: Kind) -> Option<&InstanceSpec> {
        self.refused.iter().find(|(_, of)| *of == kind).map(|(spec, _)| spec)
    }
}
