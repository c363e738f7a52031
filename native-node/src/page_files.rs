//! The page in the program: the folder that `CAMELID_PAGE` named when it was built with the feature `page`.
//!
//! It is in the program's own crate, not in the library's, which takes minutes to compile: the page changes often.

use camelid_node::api::page::PageFiles;

/// The page; nothing where the program was built without, or the folder was empty.
#[cfg(feature = "page")]
pub fn embedded() -> PageFiles {
    #[derive(rust_embed::Embed)]
    #[folder = "$CAMELID_PAGE"]
    struct Folder;

    // Named here too, because the compiler sees what these read, and builds again when it changes: the folder, and a sum over its
    // index.html, which names the other files by their content.
    const _: &str =
        env!("CAMELID_PAGE", "CAMELID_PAGE must name the folder of the built page: `make www` says where it is");
    const _: Option<&str> = option_env!("CAMELID_PAGE_SUM");
    let file = |name: std::borrow::Cow<'static, str>| Folder::get(&name).map(|file| (name.into_owned(), file.data));
    PageFiles::new(Folder::iter().filter_map(file))
}

/// The page; nothing where the program was built without.
#[cfg(not(feature = "page"))]
pub fn embedded() -> PageFiles {
    PageFiles::default()
}
