//! Whose turn it is on the processor.

/// Lets the calling thread stand back behind those that callers wait for: where there are fewer
/// processors than threads with work, an image that is hashed would otherwise take as much of one
/// as the thread that answers. `by` is in steps of `nice`, each a tenth less.
///
/// A hint: a system that has no such thing, or does not allow it, goes on as before.
pub(crate) fn lower(by: i32) {
    // On Linux nobody in particular is the calling thread, and not its process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, by);
    #[cfg(not(target_os = "linux"))]
    let _ = by;
}
