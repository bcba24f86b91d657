//! Keys that sign, and a judge of what they signed who is not ours: dkimpy.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use outreachd::config::dkim::{Algorithm, DkimKey, generate};
use outreachd::config::{Dkim, SecretRef};
use secrecy::ExposeSecret;

/// A fresh key in a file of `folder`, as a configuration names it.
pub fn key(folder: &Path, domain: &str, selector: &str, algorithm: Algorithm) -> Dkim {
    let path = folder.join(format!("{selector}.{domain}.pem"));
    std::fs::write(&path, generate(algorithm).unwrap().pem.expose_secret()).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    Dkim { selector: selector.to_owned(), domain: domain.to_owned(), key: SecretRef::File(path), retired: false }
}

/// Whether Debian's package is there; under CI it must be.
pub fn has(program: &mut Command, package: &str) -> bool {
    let output = program.stdin(Stdio::null()).output();
    let there = output.is_ok_and(|output| output.status.success());
    if !there {
        assert!(std::env::var_os("CI").is_none(), "letters must be verified under CI, and {package} is not installed");
        let _ = writeln!(std::io::stderr(), "skipped: letters are verified with {package}");
    }
    there
}

/// Whether dkimpy is there; under CI it must be.
pub fn has_dkimpy() -> bool {
    has(Command::new("/usr/bin/python3").args(["-c", "import dkim, nacl"]), "python3-dkim")
}

/// What dkimpy says at `now` of each signature: its algorithm and whether it holds.
pub fn verified(folder: &Path, mail: &[u8], keys: &[&DkimKey], now: Timestamp) -> Vec<String> {
    let (file, records) = (folder.join("mail.eml"), folder.join("records"));
    std::fs::write(&file, mail).unwrap();
    let lines: String = keys.iter().map(|key| format!("{} {}\n", key.record_name(), key.record())).collect();
    std::fs::write(&records, lines).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/verify-dkim");
    let now = now.as_second().to_string();
    let mut judge = Command::new("/usr/bin/python3");
    let output = judge.arg(script).arg(&file).arg(&records).arg(now).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// `domain/selector` of each signature, in the mail's order.
pub fn signatures(mail: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(mail).replace("\r\n ", " ");
    let fields =
        text.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("DKIM-Signature:"));
    let tag =
        |field: &str, name: &str| field.split(';').find_map(|part| part.trim().strip_prefix(name).map(str::to_owned));
    fields.map(|field| format!("{}/{}", tag(field, "d=").unwrap(), tag(field, "s=").unwrap())).collect()
}
