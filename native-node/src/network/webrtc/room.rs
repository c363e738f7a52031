//! A runtime for one connection. webrtc-rs leaves tasks running for ever behind every connection that is dropped or was
//! never made; here they end with the connection's runtime.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::runtime::{Builder, EnterGuard, Runtime};

/// The runtime, with one thread. Clones share it; it ends with the last of them, and so does every task in it.
#[derive(Clone)]
pub(super) struct Room(Arc<Owned>);

struct Owned(Option<Runtime>);

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Waits for nobody: this may be a task of another runtime.
            runtime.shutdown_background();
        }
    }
}

impl Room {
    pub(super) fn new() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("webrtc").thread_stack_size(1024 * 1024).enable_all();
        Ok(Room(Arc::new(Owned(Some(builder.build()?)))))
    }

    /// Until the guard is dropped, what is spawned is spawned here.
    pub(super) fn enter(&self) -> Option<EnterGuard<'_>> {
        self.0.0.as_ref().map(Runtime::enter)
    }

    /// A future that spawns its tasks here, whoever polls it.
    pub(super) fn within<F: Future>(&self, future: F) -> Within<F> {
        Within { future: Box::pin(future), room: self.clone() }
    }
}

/// See [`Room::within`].
pub(super) struct Within<F> {
    // Dropped first.
    future: Pin<Box<F>>,
    room: Room,
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Within { future, room } = &mut *self;
        let _inside = room.enter();
        future.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn what_was_spawned_ends_with_the_room() {
        let room = Room::new().unwrap();
        let (held, ended) = oneshot::channel::<()>();
        let here = tokio::runtime::Handle::current().id();
        let spawned = room.within(async move {
            assert_ne!(tokio::runtime::Handle::current().id(), here);
            tokio::spawn(async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
        });
        spawned.await;
        assert_eq!(tokio::runtime::Handle::current().id(), here);
        drop(room);
        ended.await.unwrap_err();
    }
}
