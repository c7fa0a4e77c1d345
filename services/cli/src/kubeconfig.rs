//! `odeon kubeconfig`: prints a kubeconfig of the admin for a gateway's key directory.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gateway::Pki;

/// Where the keys are and what the server's address is
#[derive(clap::Args, Clone, Debug)]
pub struct PrintKubeconfig {
    /// The gateway's key directory
    #[arg(long, default_value = "/var/lib/odeon/pki", env = "ODEON_PKI_DIR")]
    pki_dir: PathBuf,
    /// The address that clients shall use
    #[arg(long, default_value = "https://127.0.0.1:6443")]
    server_url: String,
}

/// Prints the kubeconfig.
///
/// # Errors
/// There are no keys in the directory (a gateway makes them at its first start).
pub fn print(options: &PrintKubeconfig) -> Result<()> {
    if !options.pki_dir.join("ca.crt").exists() {
        bail!(
            "{} holds no certificate authority; a gateway makes it at its first start",
            options.pki_dir.display()
        );
    }
    let pki = Pki::load_or_create(&options.pki_dir, &[]).context("cannot read the keys")?;
    print!("{}", pki.kubeconfig(&options.server_url));
    Ok(())
}

/// Writes the kubeconfig to a file that only its owner can read; readers never see half of it.
pub fn write(pki: &Pki, server_url: &str, path: &Path) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let new = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(pki.kubeconfig(server_url).as_bytes())?;
        std::fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
