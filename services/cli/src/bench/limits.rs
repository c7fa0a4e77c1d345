//! Allows this process, and those it starts, as many open files as it may have: a thousand watchers are a thousand connections.

use nix::libc;

/// Raises the limit as far as it goes; the usual one is too low for a thousand connections on either side.
#[expect(
    unsafe_code,
    reason = "getrlimit and setrlimit are C functions; they only read and write the struct that is passed"
)]
pub fn raise_open_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the struct lives on our stack, and is read or written as a whole.
    let raised = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0
        }
    };
    if !raised {
        tracing::debug!("the limit of open files stays as it is");
    }
}
