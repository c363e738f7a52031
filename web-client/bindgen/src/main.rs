//! `camelid-bindgen MODULE FOLDER`: writes the JavaScript and the types that load a WASM module in any page, worker or
//! bundler, and the module as it is then loaded.

use std::process::ExitCode;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, folder] = &arguments[..] else {
        eprintln!("camelid-bindgen: expected a module and a folder, came {} arguments", arguments.len());
        return ExitCode::FAILURE;
    };
    // Without a URL the JavaScript loads the module that lies beside it.
    let options = |b: &mut Bindgen| b.omit_default_module_path(false).typescript(true).generate(folder);
    let written = Bindgen::new().input_path(module).web(true).and_then(options);
    if let Err(e) = written {
        eprintln!("camelid-bindgen: {module}: {e:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
