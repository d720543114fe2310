//! One thread on which the client's futures run, and a way to wait for them from any other.
//!
//! The journal's port is synchronous and its callers may stand on a thread of an async runtime,
//! where a nested `block_on` panics. So futures are handed over and their results come back
//! through a channel.

use std::future::Future;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// The thread. Dropping it closes every connection that it drives.
#[derive(Debug)]
pub(super) struct Lane {
    /// Taken when dropped.
    runtime: Option<Runtime>,
}

impl Lane {
    pub(super) fn start() -> std::io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(1).thread_name("journal postgres").enable_all();
        Ok(Self { runtime: Some(builder.build()?) })
    }

    /// What `future` yields; `None` when it took longer than `limit` or panicked.
    pub(super) fn wait<T, F>(&self, limit: Duration, future: F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (sender, receiver) = sync_channel(1);
        self.runtime.as_ref()?.spawn(async move {
            let _ = sender.send(tokio::time::timeout(limit, future).await.ok());
        });
        receiver.recv().ok().flatten()
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The plain drop waits, which panics on a thread of another runtime.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_inside_an_async_runtime_may_wait_and_drop() {
        let outer = Builder::new_current_thread().build().unwrap();
        outer.block_on(async {
            let lane = Lane::start().unwrap();
            assert_eq!(lane.wait(Duration::from_secs(60), async { 7 }), Some(7));
        });
    }

    #[test]
    fn what_never_ends_and_what_panics_is_none() {
        let lane = Lane::start().unwrap();
        let never = std::future::pending::<()>();
        assert_eq!(lane.wait(Duration::from_millis(1), never), None);
        let panics = async { assert!(std::hint::black_box(false), "planned") };
        assert_eq!(lane.wait(Duration::from_secs(60), panics), None);
    }
}
