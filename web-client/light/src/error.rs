//! Every failure: a sentence for people, and a code for programs (`CamelidError` in index.d.ts).

use core::fmt::Display;
use js_sys::{Error, Reflect};
use wasm_bindgen::JsValue;

/// What went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    code: &'static str,
    message: String,
}

/// Makes failures of one code.
macro_rules! codes {
    ($($name:ident = $code:literal),* $(,)?) => {
        impl Failure {
            $(
                #[doc = concat!("A failure of code `", $code, "`.")]
                pub fn $name(message: impl Display) -> Self {
                    Failure { code: $code, message: message.to_string() }
                }
            )*
        }
    };
}

codes! {
    wrong_password = "wrong-password",
    bad_words = "bad-words",
    bad_address = "bad-address",
    too_little_money = "too-little-money",
    no_peers = "no-peers",
    refused = "refused",
    storage = "storage",
    other_network = "other-network",
    not_found = "not-found",
    aborted = "aborted",
    bad_input = "bad-input",
    internal = "internal",
}

impl Failure {
    /// Whether the wallet holds too little for it.
    pub fn is_too_little_money(&self) -> bool {
        self.code == "too-little-money"
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> JsValue {
        let error = Error::new(&failure.message);
        // Setting a new property of an error cannot fail.
        let _ = Reflect::set(&error, &"code".into(), &failure.code.into());
        error.into()
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.message)
    }
}

/// What most things here give.
pub type Result<T> = core::result::Result<T, Failure>;
