//! An instance that answers every connection with the same bytes and keeps what it was sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// So much virtual time without a byte, and nothing more comes.
pub(crate) const QUIET: Duration = Duration::from_millis(200);
/// No more is read of a connection.
const MOST: usize = 1 << 20;

/// What is answered, and what was sent, a connection each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Upstream(Arc<Mutex<Talk>>);

#[derive(Debug, Default)]
struct Talk {
    answer: Vec<u8>,
    sent: Vec<Vec<u8>>,
}

impl Upstream {
    /// Serves on a port until its runtime ends.
    pub(crate) async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(self.clone().converse(stream));
        }
    }

    /// Sets what is answered from now on, and forgets what was sent.
    pub(crate) fn answer(&self, bytes: &[u8]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Talk { answer: bytes.to_vec(), sent: Vec::new() };
    }

    /// What was sent since.
    pub(crate) fn sent(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sent.clone()
    }

    async fn converse(self, mut stream: TcpStream) {
        let (answer, index) = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.sent.push(Vec::new());
            (state.answer.clone(), state.sent.len() - 1)
        };
        let mut sent = Vec::new();
        if read_until(&mut stream, &mut sent, b"\r\n\r\n").await {
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
            read_until(&mut stream, &mut sent, b"").await;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = state.sent.get_mut(index) {
            *kept = sent;
        }
    }
}

/// Reads until a mark, or, where that is empty, until the end. Whether the mark came.
pub(crate) async fn read_until(stream: &mut TcpStream, into: &mut Vec<u8>, mark: &[u8]) -> bool {
    let mut buffer = [0; 4096];
    while into.len() < MOST {
        match tokio::time::timeout(QUIET, stream.read(&mut buffer)).await {
            Ok(Ok(read)) if read > 0 => into.extend_from_slice(&buffer[..read]),
            _ => return false,
        }
        if !mark.is_empty() && into.windows(mark.len()).any(|window| window == mark) {
            return true;
        }
    }
    false
}
