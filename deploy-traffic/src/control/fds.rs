//! Open files, from one process to another.

use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// As many go with one message.
const BATCH: usize = 64;

/// Sends open files, with blanks that belong to the line that follows.
pub(crate) async fn send(stream: &UnixStream, files: &[BorrowedFd<'_>]) -> io::Result<()> {
    for batch in files.chunks(BATCH) {
        stream.async_io(Interest::WRITABLE, || send_batch(stream, batch)).await?;
    }
    Ok(())
}

fn send_batch(stream: &UnixStream, batch: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(batch));
    sendmsg(stream.as_fd(), &[IoSlice::new(b" ")], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives a line and the open files that come with it.
pub(crate) async fn receive(stream: &UnixStream, longest: u64) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let (mut line, mut files) = (Vec::new(), Vec::new());
    while !line.ends_with(b"\n") {
        let read = stream.async_io(Interest::READABLE, || receive_part(stream, &mut line, &mut files)).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.len() as u64 > longest {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
        }
    }
    Ok((line, files))
}

fn receive_part(stream: &UnixStream, line: &mut Vec<u8>, files: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut bytes = [0; 16 * 1024];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let received = retry_on_intr(|| recvmsg(stream.as_fd(), &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC))?;
    line.extend_from_slice(&bytes[..received.bytes]);
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            files.extend(rights);
        }
    }
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn more_files_than_fit_one_message_arrive_in_order_before_the_line() {
        let (mut here, there) = UnixStream::pair().unwrap();
        let listeners: Vec<_> = (0..150).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports = |listeners: &[std::net::TcpListener]| {
            listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect::<Vec<_>>()
        };
        let sent: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
        let sending = async {
            send(&here, &sent).await.unwrap();
            here.write_all(b"{}\n").await.unwrap();
        };
        let ((), received) = tokio::join!(sending, receive(&there, 1_000));
        let (line, files) = received.unwrap();
        assert_eq!(line.trim_ascii(), b"{}");
        let arrived: Vec<_> = files.into_iter().map(std::net::TcpListener::from).collect();
        assert_eq!(ports(&arrived), ports(&listeners));
    }
}
