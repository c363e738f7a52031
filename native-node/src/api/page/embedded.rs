//! The page in the program: the folder that `CAMELID_PAGE` named when it was built with the feature `page`.

use super::PageFiles;

/// The page in the program; nothing where it was built without.
#[cfg(feature = "page")]
pub fn embedded() -> PageFiles {
    #[derive(rust_embed::Embed)]
    #[folder = "$CAMELID_PAGE"]
    struct Folder;

    // Named here too, because the compiler sees what `env!` reads, and builds again when it changes.
    const _: &str =
        env!("CAMELID_PAGE", "CAMELID_PAGE must name the folder of the built page: `make www` says where it is");
    let file = |name: std::borrow::Cow<'static, str>| Folder::get(&name).map(|file| (name.into_owned(), file.data));
    PageFiles::new(Folder::iter().filter_map(file))
}

/// The page in the program; nothing where it was built without.
#[cfg(not(feature = "page"))]
pub fn embedded() -> PageFiles {
    PageFiles::default()
}
