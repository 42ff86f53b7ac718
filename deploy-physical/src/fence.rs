//! The fence: a token in a file, written under a lock.

use crate::error::corrupt;
use crate::host::{Guard, Host};
use crate::layout::Layout;
use deploy_core::{Error, Kind, Result, Token};

/// Reads the newest token that wrote here; the oldest of all where nobody did.
pub(crate) async fn newest(host: &dyn Host, layout: &Layout) -> Result<Token> {
    let file = layout.token();
    let Some(text) = host.read(&file).await? else { return Ok(Token::default()) };
    serde_json::from_slice(&text).map_err(|error| corrupt(&file, error))
}

/// Takes the lock and, under it, raises the mark. Returns what stands then.
pub(crate) async fn raise(host: &dyn Host, layout: &Layout, token: Token) -> Result<(Box<dyn Guard>, Token)> {
    host.make_dir(layout.dir(), 0o755).await?;
    let guard = host.lock(&layout.lock()).await?;
    let newest = newest(host, layout).await?;
    if newest < token {
        let file = layout.token();
        let text = serde_json::to_vec(&token).map_err(|error| corrupt(&file, error))?;
        host.write(&file, &text, 0o644).await?;
    }
    Ok((guard, newest.max(token)))
}

/// Takes the lock for a write with a token. The write is done while the guard lives, so no newer token can come between.
pub(crate) async fn enter(host: &dyn Host, layout: &Layout, token: Token) -> Result<Box<dyn Guard>> {
    let (guard, newest) = raise(host, layout, token).await?;
    if newest == token {
        return Ok(guard);
    }
    let words = format!("token {token} is older than {newest}, which wrote here last: a newer engine is at work");
    Err(Error::new(Kind::Fenced, words).with("at", layout.dir().display()))
}
