//! Connections, of which it is noticed when they end: a session that nothing but its connection names ends with it.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Weak,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tonic::transport::server::{Connected, TcpConnectInfo, TcpIncoming};

use super::service::Entrance;

/// A client's connection.
pub(super) struct Connection {
    stream: TcpStream,
    client: Option<SocketAddr>,
    entrance: Weak<dyn Entrance>,
}

/// The connections that come in.
pub(super) fn incoming(
    incoming: TcpIncoming,
    entrance: Weak<dyn Entrance>,
) -> impl Stream<Item = io::Result<Connection>> {
    incoming.map(move |stream| {
        let stream = stream?;
        Ok(Connection {
            client: stream.peer_addr().ok(),
            stream,
            entrance: Weak::clone(&entrance),
        })
    })
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let (Some(client), Some(entrance)) = (self.client, self.entrance.upgrade()) {
            entrance.left(client);
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
