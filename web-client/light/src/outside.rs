//! What the browser gives: time, randomness, a timer, the console.

use camelid_core::sync::Now;
use camelid_core::units::Timestamp;
use core::time::Duration;
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn milliseconds() -> f64;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(into: &mut [u8]);

    #[wasm_bindgen(js_name = setInterval)]
    fn set_interval(call: &Function, milliseconds: u32) -> JsValue;

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(call: &Function, milliseconds: u32) -> JsValue;

    #[wasm_bindgen(js_name = clearInterval)]
    fn clear_interval(id: &JsValue);

    /// Writes a fault of ours to the console.
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    pub fn report(message: &str);

    /// Writes a line to the console that developers may want to see.
    #[wasm_bindgen(js_namespace = console, js_name = warn)]
    pub fn note(message: &str);
}

/// The time. `elapsed` stands still while the machine sleeps in some browsers; whatever was asked before is asked again.
pub fn now() -> Now {
    Now {
        elapsed: Duration::from_secs_f64(milliseconds() / 1000.0),
        time: Timestamp((js_sys::Date::now() / 1000.0) as u32),
    }
}

/// Fresh random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    get_random_values(&mut bytes);
    bytes
}

/// Waits.
pub async fn sleep(milliseconds: u32) {
    let promise = Promise::new(&mut |resolve, _| drop(set_timeout(&resolve, milliseconds)));
    // It is never rejected.
    let _ = JsFuture::from(promise).await;
}

/// Calls a function again and again, as long as it lives.
pub struct Ticker {
    id: JsValue,
    _call: Closure<dyn FnMut()>,
}

impl Ticker {
    /// Every so many milliseconds; hidden pages are called less often.
    pub fn new(milliseconds: u32, call: impl FnMut() + 'static) -> Self {
        let call = Closure::new(call);
        Ticker { id: set_interval(call.as_ref().unchecked_ref(), milliseconds), _call: call }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        clear_interval(&self.id);
    }
}
