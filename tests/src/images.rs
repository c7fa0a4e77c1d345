//! Container images for the tests, made without a registry.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::tools::{binary, run, tool};

/// A shell and the usual tools: `/bin/sh`, `httpd`, `nc`, `wget`, `nslookup`.
pub const BUSYBOX: &str = "odeon-test-busybox:1";
/// The demo's sample: answers HTTP on port 8080 with its pod's name.
pub const HELLO: &str = "odeon-test-hello:1";

/// Makes both images on this machine's engine; what is there already is replaced.
pub fn make() {
    let root = tempfile::tempdir().map(tempfile::TempDir::keep).unwrap_or_default();
    let busybox = root.join("busybox");
    let _ = std::fs::create_dir_all(busybox.join("bin"));
    let _ = std::fs::create_dir_all(busybox.join("tmp"));
    let _ = std::fs::create_dir_all(busybox.join("etc"));
    copy(&tool("busybox"), &busybox.join("bin/busybox"));
    let listed = run(Command::new(tool("busybox")).arg("--list")).ok();
    for applet in listed.lines().filter(|applet| *applet != "busybox") {
        let _ = std::os::unix::fs::symlink("busybox", busybox.join("bin").join(applet));
    }
    import(&busybox, BUSYBOX, r#"CMD ["/bin/sh"]"#);
    let hello = root.join("hello");
    let _ = std::fs::create_dir_all(&hello);
    copy(&binary("hello"), &hello.join("hello"));
    import(&hello, HELLO, r#"ENTRYPOINT ["/hello"]"#);
    let _ = std::fs::remove_dir_all(root);
}

#[expect(clippy::panic, reason = "a test without its image has failed")]
fn copy(from: &Path, to: &Path) {
    if let Err(error) = std::fs::copy(from, to) {
        panic!("cannot copy {}: {error}", from.display());
    }
}

#[expect(clippy::panic, reason = "a test without its image has failed")]
fn import(root: &Path, tag: &str, change: &str) {
    let tar = Command::new("tar").arg("-C").arg(root).args(["-c", "."]).stdout(Stdio::piped()).spawn();
    let Ok(Some(archive)) = tar.map(|mut tar| tar.stdout.take()) else { panic!("tar does not start") };
    let imported = run(Command::new("docker").args(["import", "-c", change, "-", tag]).stdin(archive));
    assert!(imported.success, "docker import: {}", imported.stderr);
}
