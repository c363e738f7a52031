//! Plain JavaScript objects, without a serialiser.

use core::fmt::Display;
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::JsValue;

/// An object in the making.
#[derive(Default)]
pub struct Builder(Object);

impl Builder {
    /// Sets a property; `None` becomes `undefined`.
    pub fn set(self, name: &str, value: impl Into<JsValue>) -> Self {
        // Setting a new property of a plain object cannot fail.
        let _ = Reflect::set(&self.0, &name.into(), &value.into());
        self
    }

    /// The object.
    pub fn done(self) -> Object {
        self.0
    }
}

/// An array.
pub fn list(items: impl Iterator<Item = impl Into<JsValue>>) -> Array {
    items.map(Into::<JsValue>::into).collect()
}

/// Something's own sentence.
pub fn text(value: impl Display) -> JsValue {
    value.to_string().into()
}
