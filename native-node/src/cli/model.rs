//! `camelid model`.

use super::args::ModelCommand;
use super::output::{pairs, printable, short, table};
use super::{CliError, Context};
use crate::api::types::ModelView;
use crate::models::{Import, ModelStore, Stored, load};

pub(super) async fn execute(context: &Context, command: ModelCommand) -> Result<(), CliError> {
    let store = ModelStore::at(context.data_dir.models());
    match command {
        ModelCommand::Import(args) => {
            context.data_dir.prepare(context.network)?;
            let import = Import { file: args.file, tokenizer: args.tokenizer, name: args.name, licence: args.licence };
            let stored = store.import(&import)?;
            context.out.value(&ModelView::from(&stored), |m| {
                let name = stored.file.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                format!("{}\ncompute it for others with: camelid node run --compute {name}", info(m))
            });
        }
        ModelCommand::Info { model } => {
            let file = store.find(&model)?;
            let stored = Stored { info: load(&file)?.info(), file };
            context.out.value(&ModelView::from(&stored), info);
        }
        ModelCommand::Bits(args) => super::train::model_bits(context, &args)?,
        ModelCommand::List => {
            context.out.value(&context.client()?.get::<Vec<ModelView>>("/v1/models").await?, |m| list(m));
        }
    }
    Ok(())
}

impl From<&Stored> for ModelView {
    fn from(stored: &Stored) -> Self {
        let info = &stored.info;
        ModelView {
            name: info.name.clone(),
            root: info.root.to_string(),
            architecture: format!("{:?}", info.architecture).to_lowercase(),
            parameters: info.parameters,
            context: info.context,
            vocabulary: info.vocabulary,
            package_bytes: info.package_len,
            licence: info.licence.clone(),
            file: Some(stored.file.display().to_string()),
            computes: false,
        }
    }
}

fn info(m: &ModelView) -> String {
    pairs(&[
        ("model", printable(&m.name)),
        ("root", m.root.clone()),
        ("architecture", m.architecture.clone()),
        ("parameters", m.parameters.to_string()),
        ("context", format!("{} tokens", m.context)),
        ("vocabulary", format!("{} tokens", m.vocabulary)),
        ("licence", printable(&m.licence)),
        ("package", format!("{} bytes", m.package_bytes)),
        ("file", m.file.clone().unwrap_or_else(|| "not on this machine".into())),
    ])
}

fn list(models: &[ModelView]) -> String {
    if models.is_empty() {
        return "no models yet: `camelid model import FILE` brings one".into();
    }
    let row = |m: &ModelView| {
        let here = match (m.computes, &m.file) {
            (true, _) => "computed here",
            (false, Some(_)) => "here",
            (false, None) => "elsewhere",
        };
        let size = format!("{:.1} MB", m.package_bytes as f64 / 1e6);
        vec![printable(&m.name), short(&m.root), m.parameters.to_string(), m.context.to_string(), size, here.into()]
    };
    table(
        &["model", "root", ">parameters", ">context", ">package", "where"],
        &models.iter().map(row).collect::<Vec<_>>(),
    )
}
