//! Files that a power cut leaves as they were or as they were to be, and nothing between.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Replaces a file by `bytes`. They are on disk when this returns. Beside the file, `.new` in place of its extension is
/// overwritten.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    rename(&new, path)
}

/// Gives a file that is on disk another name, which is on disk too when this returns.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    // The name stands in the directory. Where directories cannot be opened (Windows), the system sees to it.
    #[cfg(unix)]
    File::open(to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file.bin");
        // What an earlier run left when it was cut off.
        fs::write(dir.path().join("file.new"), b"a longer beginning").unwrap();
        for text in ["first", "second"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
        assert!(replace(&dir.path().join("missing/file.bin"), b"").is_err());
    }
}
