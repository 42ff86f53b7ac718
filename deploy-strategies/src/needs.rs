//! What a strategy asks of the workload and the platform.

use deploy_core::{Amount, Change, Error, Kind, Result, Share};

fn unsupported(message: String) -> Error {
    Error::new(Kind::Unsupported, message)
}

/// Refuses a workload that may have one writer only.
pub(crate) fn two_at_a_time(change: &Change<'_>, strategy: &str) -> Result<()> {
    if !change.is_exclusive() {
        return Ok(());
    }
    Err(unsupported(format!(
        "`{strategy}` runs two releases at a time and this workload is exclusive, one instance at a time: \
         use `recreate`, or `rolling`, which stops the one before it starts the other"
    )))
}

/// Refuses surge, patience with failures and the wish to have nobody missing where there is one writer.
pub(crate) fn one_at_a_time(surge: Amount, unavailable: Amount, failed: Amount) -> Result<()> {
    if !surge.is_none() {
        let message = format!("the workload is exclusive, so nothing may run beside it: {surge} must be 0");
        return Err(Error::at("max_surge", message));
    }
    if unavailable.down(1) != 1 {
        let message = format!("the workload is exclusive, so it is away while it is replaced: {unavailable} must be 1");
        return Err(Error::at("max_unavailable", message));
    }
    only_one_may_not_fail(failed)
}

/// Refuses patience with failures where there is one writer.
pub(crate) fn only_one_may_not_fail(failed: Amount) -> Result<()> {
    if failed.is_none() {
        return Ok(());
    }
    let message = format!("the workload is exclusive, so one that cannot be told may still write: {failed} must be 0");
    Err(Error::at("max_failed", message))
}

/// Refuses a workload that nobody is routed to.
pub(crate) fn routed(change: &Change<'_>, strategy: &str) -> Result<()> {
    if change.is_routed() {
        return Ok(());
    }
    Err(unsupported(format!(
        "`{strategy}` divides requests and none are routed to this workload: use `rolling`, or `canary`, which moves counts"
    )))
}

/// Refuses a platform without routes of its own.
pub(crate) fn routes(change: &Change<'_>, strategy: &str) -> Result<()> {
    if !change.is_routed() || change.capabilities.routes {
        return Ok(());
    }
    Err(unsupported(format!("`{strategy}` needs a router and this platform has none: add one, or use `rolling`")))
}

/// Refuses shares that the router cannot keep.
pub(crate) fn shares(change: &Change<'_>, strategy: &str, at: &str, shares: &[Share]) -> Result<()> {
    let divided = |share: &&Share| !share.is_none() && !share.is_whole();
    let (true, Some(first)) = (change.is_routed(), shares.iter().find(divided)) else { return Ok(()) };
    if !change.capabilities.split {
        return Err(unsupported(format!(
            "`{strategy}` gives the candidate {first} of the requests and this platform's router cannot divide by share: \
             use `blue_green`, or `rolling`"
        )));
    }
    let finest = change.capabilities.finest;
    match shares.iter().filter(divided).find(|share| !finest.is_none() && share.points() % finest.points() != 0) {
        Some(share) => Err(unsupported(format!(
            "this platform's router divides in steps of {finest}, and {share} is none of them"
        ))
        .with("at", at)),
        None => Ok(()),
    }
}

/// Refuses what a router is asked besides shares.
pub(crate) fn ability(asked: bool, able: bool, at: &'static str, what: &str, instead: &str) -> Result<()> {
    if !asked || able {
        return Ok(());
    }
    Err(unsupported(format!("this platform's router cannot {what}: {instead}")).with("at", at))
}
