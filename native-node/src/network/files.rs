//! Small files that a node can do without: the address book, the bans. Each is written whole or not at all, and carries a
//! checksum. A damaged one is kept aside, and the node begins anew.

use super::write_private;
use camelid_core::hash::tagged_hash;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tracing::warn;

/// Bytes of the checksum at the end.
const CHECKSUM: usize = 32;

/// How a file begins.
fn heading(what: &str) -> Vec<u8> {
    format!("camelid {what} 1\n").into_bytes()
}

fn checksum(what: &str, content: &[u8]) -> [u8; CHECKSUM] {
    tagged_hash("camelid/file", &[what.as_bytes(), &[0], content]).0
}

/// Reads a file; `None` where there is none, or a damaged one, which is then renamed. `decode` reads what is in it.
pub(super) fn load<T, E: ToString>(file: &Path, what: &str, decode: impl FnOnce(&[u8]) -> Result<T, E>) -> Option<T> {
    let bytes = match fs::read(file) {
        Ok(bytes) => Ok(bytes),
        Err(e) if e.kind() == ErrorKind::NotFound => return None,
        Err(e) => Err(e.to_string()),
    };
    let content = bytes.and_then(|bytes| {
        let content = bytes.strip_prefix(heading(what).as_slice()).ok_or("it begins otherwise")?;
        let (content, sum) = content.split_last_chunk::<CHECKSUM>().ok_or("it is cut off")?;
        if *sum != checksum(what, content) {
            return Err("its checksum is wrong".into());
        }
        decode(content).map_err(|e| e.to_string())
    });
    content
        .inspect_err(|reason| match set_aside(file) {
            Ok(kept) => {
                let (file, kept) = (file.display(), kept.display());
                warn!("{file} is damaged ({reason}): it is kept as {kept}, and the {what} begins anew");
            }
            Err(error) => warn!("{} is damaged ({reason}) and cannot be renamed: {error}", file.display()),
        })
        .ok()
}

/// Renames a file so that it is not written over.
fn set_aside(file: &Path) -> std::io::Result<PathBuf> {
    let name = |n: u32| {
        let mut name = file.as_os_str().to_owned();
        name.push(format!(".damaged-{n}"));
        PathBuf::from(name)
    };
    // After the ninth the last is written over: damage must not fill the disk.
    let kept = (1..9).map(name).find(|kept| !kept.exists()).unwrap_or_else(|| name(9));
    fs::rename(file, &kept)?;
    Ok(kept)
}

/// Writes a file.
fn save(file: &Path, what: &str, content: &[u8]) -> std::io::Result<()> {
    write_private(file, &[&heading(what), content, &checksum(what, content)].concat())
}

/// Saves what changes often, but not each time: a while after the first change, and at the end.
#[derive(Debug)]
pub(super) struct Saver {
    file: Option<PathBuf>,
    what: &'static str,
    due: Option<Instant>,
    running: Option<JoinHandle<()>>,
}

impl Saver {
    /// For this file; without one nothing is kept.
    pub(super) fn new(file: Option<PathBuf>, what: &'static str) -> Self {
        Saver { file, what, due: None, running: None }
    }

    /// Something changed: it is to be saved within `delay`.
    pub(super) fn changed(&mut self, now: Instant, delay: Duration) {
        let at = now + delay;
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Saves what is due, beside everything else; one write at a time.
    pub(super) fn tick(&mut self, now: Instant, content: impl FnOnce() -> Vec<u8>) {
        let writes = self.running.as_ref().is_some_and(|r| !r.is_finished());
        let (Some(file), false) = (&self.file, writes || self.due.is_none_or(|due| due > now)) else { return };
        self.due = None;
        let (file, what, content) = (file.clone(), self.what, content());
        self.running = Some(tokio::task::spawn_blocking(move || report(&file, save(&file, what, &content))));
    }

    /// Saves what changed last; returns when it is on the disk.
    pub(super) async fn finish(&mut self, content: impl FnOnce() -> Vec<u8>) {
        if let Some(running) = self.running.take() {
            let _ = running.await;
        }
        if let (Some(file), Some(_)) = (&self.file, self.due.take()) {
            report(file, save(file, self.what, &content()));
        }
    }
}

fn report(file: &Path, result: std::io::Result<()>) {
    if let Err(error) = result {
        warn!("cannot write {}: {error}; check that the directory may be written to and has room", file.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &Path) -> Option<Vec<u8>> {
        load(file, "thing", |bytes| if bytes == b"bad" { Err("nonsense") } else { Ok(bytes.to_vec()) })
    }

    #[test]
    fn a_file_is_read_as_written_and_a_damaged_one_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("thing");
        assert_eq!(read(&file), None);
        save(&file, "thing", b"content").unwrap();
        assert_eq!(read(&file), Some(b"content".to_vec()));
        let good = fs::read(&file).unwrap();
        let mut damages = vec![Vec::new(), good[..good.len() - 1].to_vec(), [&good[..], b"x"].concat()];
        damages.extend((0..good.len()).step_by(7).map(|at| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        }));
        for (n, damaged) in damages.iter().enumerate() {
            fs::write(&file, damaged).unwrap();
            assert_eq!(read(&file), None);
            assert!(!file.exists(), "it is out of the way");
            let kept = dir.path().join(format!("thing.damaged-{}", (n + 1).min(9)));
            assert_eq!(&fs::read(kept).unwrap(), damaged, "and nothing is lost");
        }
        save(&file, "thing", b"bad").unwrap();
        assert_eq!(read(&file), None, "whole, but no such thing");
        save(&file, "other", b"content").unwrap();
        assert_eq!(read(&file), None);
    }

    #[tokio::test]
    async fn what_changed_is_saved_when_due_and_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("thing");
        let (mut saver, now) = (Saver::new(Some(file.clone()), "thing"), Instant::now());
        saver.tick(now, || panic!("nothing changed"));
        saver.changed(now, Duration::from_secs(5));
        saver.changed(now, Duration::from_secs(9));
        saver.tick(now + Duration::from_secs(4), || panic!("not yet"));
        saver.tick(now + Duration::from_secs(5), || b"first".to_vec());
        saver.finish(|| panic!("it is saved")).await;
        assert_eq!(read(&file), Some(b"first".to_vec()));
        saver.changed(now, Duration::from_secs(5));
        saver.finish(|| b"second".to_vec()).await;
        assert_eq!(read(&file), Some(b"second".to_vec()));
        let mut nowhere = Saver::new(None, "thing");
        nowhere.changed(now, Duration::ZERO);
        nowhere.tick(now, || panic!("there is no file"));
    }
}
