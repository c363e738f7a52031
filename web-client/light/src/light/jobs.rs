//! Models and jobs.

use super::Light;
use crate::error::{Failure, Result};
use crate::models;
use crate::object::{Builder, list, text};
use crate::outside;
use camelid_core::deal::{DealVerdict, VerifyMode, WrongToken};
use camelid_core::hash::{JobId, ModelRoot};
use camelid_core::light::{EstimateRequest, JobProblem, JobRequest, JobView};
use camelid_core::model::Sampling;
use camelid_core::units::{Amount, TokenId};
use js_sys::{Array, Function, Object, Reflect, Uint8Array, Uint32Array};
use libp2p::PeerId;
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

fn root(text: &str) -> Result<ModelRoot> {
    text.parse().map_err(|_| {
        Failure::bad_input(format_args!("{text:?} is no model's root: 64 hexadecimal digits are expected"))
    })
}

fn job_id(text: &str) -> Result<JobId> {
    text.parse()
        .map_err(|_| Failure::bad_input(format_args!("{text:?} is no job's id: 64 hexadecimal digits are expected")))
}

/// Properties of an object that the page gives.
struct Given<'a>(&'a JsValue);

impl Given<'_> {
    fn get(&self, name: &str) -> JsValue {
        Reflect::get(self.0, &name.into()).unwrap_or_default()
    }

    fn text(&self, name: &str) -> Result<String> {
        self.get(name).as_string().ok_or_else(|| Failure::bad_input(format_args!("{name} is no text")))
    }

    fn number(&self, name: &str) -> Result<u32> {
        let number = self.get(name).as_f64().filter(|n| n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n));
        let number = number
            .ok_or_else(|| Failure::bad_input(format_args!("{name} is no whole number from 0 to {}", u32::MAX)))?;
        Ok(number as u32)
    }

    fn big(&self, name: &str) -> Result<Option<u64>> {
        let value = self.get(name);
        if value.is_undefined() || value.is_null() {
            return Ok(None);
        }
        u64::try_from(value).map(Some).map_err(|_| Failure::bad_input(format_args!("{name} is no bigint from 0 up")))
    }

    fn tokens(&self, name: &str) -> Result<Vec<TokenId>> {
        let ids = self.get(name).dyn_into::<Uint32Array>();
        let ids = ids.map_err(|_| Failure::bad_input(format_args!("{name} is no Uint32Array")))?;
        Ok(ids.to_vec().into_iter().map(TokenId).collect())
    }
}

impl From<JobProblem> for Failure {
    fn from(problem: JobProblem) -> Self {
        match code(&problem) {
            "no-peers" => Failure::no_peers(problem),
            "too-little-money" => Failure::too_little_money(problem),
            "nobody-serves" | "reward-too-low" => Failure::refused(problem),
            _ => Failure::bad_input(problem),
        }
    }
}

/// The problem's code in index.d.ts.
fn code(problem: &JobProblem) -> &'static str {
    use camelid_core::pool::MarketError;
    use camelid_core::wallet::{JobOrderError, PaymentError};
    match problem {
        JobProblem::NoPeers => "no-peers",
        JobProblem::Behind { .. } => "behind",
        JobProblem::Market(MarketError::RewardTooLow { .. }) => "reward-too-low",
        JobProblem::Market(_) => "nobody-serves",
        JobProblem::Order(JobOrderError::Payment(PaymentError::TooLittleMoney { .. })) => "too-little-money",
        _ => "other",
    }
}

fn ids(tokens: &[TokenId]) -> Uint32Array {
    Uint32Array::from(&tokens.iter().map(|token| token.0).collect::<Vec<_>>()[..])
}

#[wasm_bindgen]
impl Light {
    /// The models that are offered or kept here.
    pub async fn models(&self) -> core::result::Result<Array, JsValue> {
        Ok(models::models(&self.state).await?)
    }

    /// Fetches what is missing of a model.
    pub async fn download(
        &self,
        model: String,
        progress: Function,
        signal: Option<AbortSignal>,
    ) -> core::result::Result<(), JsValue> {
        Ok(models::download(&self.state, &self.store, root(&model)?, &progress, signal.as_ref()).await?)
    }

    /// A model's package, where all of it is kept.
    pub async fn package(&self, model: String) -> core::result::Result<Option<Uint8Array>, JsValue> {
        Ok(models::package(&self.state, &self.store, root(&model)?).await?)
    }

    /// Forgets a model, once no job that is under way is to be checked with it.
    #[wasm_bindgen(js_name = removeModel)]
    pub async fn remove_model(&self, model: String) -> core::result::Result<(), JsValue> {
        let root = root(&model)?;
        {
            let state = self.state.borrow();
            // One that could not be checked may have failed for a model that is damaged here.
            let unchecked = |job: &JobView| {
                let open = !job.over && job.verify != VerifyMode::None && job.verdict.is_none();
                open && job.model == root && !state.failed_checks.contains(&job.id)
            };
            if state.jobs.views(&state.client).iter().any(unchecked) {
                return Err(
                    Failure::refused("an answer of this model is still to be checked with it: wait for that").into()
                );
            }
        }
        Ok(models::remove(&self.state, &self.store, root).await?)
    }

    /// What a job would cost, and who would answer.
    pub async fn estimate(&self, request: JsValue) -> core::result::Result<Object, JsValue> {
        let given = Given(&request);
        let request = EstimateRequest {
            model: root(&given.text("model")?)?,
            prompt_tokens: given.number("promptTokens")?,
            max_tokens: given.number("limit")?,
            reward: given.big("reward")?.map(Amount),
        };
        let mut state = self.state.borrow_mut();
        let crate::state::State { jobs, client, .. } = &mut *state;
        let estimate = jobs.estimate(client, &request, outside::now());
        state.wake();
        let readers = estimate.readers.iter().map(|reader| {
            let address = peer(reader.peer.as_bytes());
            Builder::default().set("node", reader.node_key.to_string()).set("address", address).done()
        });
        let problem = estimate.problem.as_ref().map(|problem| {
            JsValue::from(Builder::default().set("code", code(problem)).set("reason", problem.to_string()).done())
        });
        Ok(Builder::default()
            .set("promptTokens", request.prompt_tokens)
            .set("reward", estimate.reward.0)
            .set("fee", estimate.fee.0)
            .set("reserve", estimate.reserve.0)
            .set("total", estimate.total.0)
            .set("leastReward", estimate.least_reward.map(|least| least.0))
            .set("readers", list(readers))
            .set("problem", problem)
            .done())
    }

    /// Offers a job. Nothing goes out before it is written down here.
    pub async fn submit(&self, request: JsValue) -> core::result::Result<String, JsValue> {
        let given = Given(&request);
        let sampling = Sampling::new(given.number("temperature")?, given.number("topK")?, given.number("topP")?);
        let verify = match given.text("verify")?.as_str() {
            "full" => VerifyMode::Full,
            "spot" => VerifyMode::Spot,
            "none" => VerifyMode::None,
            other => {
                return Err(
                    Failure::bad_input(format_args!("verify is {other:?}: full, spot or none is expected")).into()
                );
            }
        };
        let request = JobRequest {
            model: root(&given.text("model")?)?,
            prompt: given.text("prompt")?,
            token_ids: given.tokens("tokens")?,
            max_tokens: given.number("limit")?,
            seed: given.big("seed")?.unwrap_or_default(),
            sampling: sampling.map_err(Failure::bad_input)?,
            verify,
            reward: given.big("reward")?.map(Amount),
        };
        let id = {
            let mut state = self.state.borrow_mut();
            if !state.is_open() {
                return Err(Failure::bad_input("the wallet is locked: unlock it with its password").into());
            }
            let crate::state::State { jobs, client, .. } = &mut *state;
            let id = jobs.create(client, request, outside::now()).map_err(Failure::from)?;
            state.wake();
            id
        };
        if let Err(failure) = self.flush().await {
            // What is not written down was not offered: it is taken back, so that nobody asks, and pays, twice.
            let mut state = self.state.borrow_mut();
            // What may be on its way to the disk is there at the next visit: it goes on.
            if !state.is_saving() && state.take_back(&id) {
                return Err(failure.into());
            }
        }
        Ok(id.to_string())
    }

    /// The jobs, the newest first.
    pub fn jobs(&self) -> Array {
        let state = self.state.borrow();
        list(state.jobs.views(&state.client).iter().map(view))
    }

    /// One of them.
    #[wasm_bindgen(js_name = jobView)]
    pub fn job_view(&self, id: String) -> core::result::Result<JsValue, JsValue> {
        let id = job_id(&id)?;
        let state = self.state.borrow();
        Ok(state.jobs.view(&state.client, &id).map(|job| view(&job).into()).unwrap_or_default())
    }

    /// What checking an answer gave.
    pub fn verified(&self, id: String, verdict: JsValue) -> core::result::Result<(), JsValue> {
        let (id, given) = (job_id(&id)?, Given(&verdict));
        let wrong = Array::from(&given.get("wrong")).into_iter().map(|wrong| {
            let wrong = Given(&wrong);
            let (found, expected) = (TokenId(wrong.number("found")?), TokenId(wrong.number("expected")?));
            Ok(WrongToken { position: wrong.number("position")?, found, expected })
        });
        let verdict = DealVerdict {
            checked: given.number("checked")?,
            wrong: wrong.collect::<Result<_>>()?,
            problem: given.text("problem")?,
            verify_ms: given.get("milliseconds").as_f64().unwrap_or_default() as u32,
            engine: given.text("engine")?,
        };
        let mut state = self.state.borrow_mut();
        let crate::state::State { jobs, client, .. } = &mut *state;
        jobs.on_verified(client, &id, verdict, outside::now());
        state.failed_checks.remove(&id);
        state.wake();
        Ok(())
    }

    /// The model could not be run; it is asked for again later.
    #[wasm_bindgen(js_name = verifyFailed)]
    pub fn verify_failed(&self, id: String, reason: String) -> core::result::Result<(), JsValue> {
        let id = job_id(&id)?;
        let mut state = self.state.borrow_mut();
        state.jobs.on_verify_failed(&id, outside::now());
        state.failed_checks.insert(id);
        state.warn(format!("the answer to job {id} could not be checked yet: {reason}"));
        Ok(())
    }

    /// Gives up waiting.
    pub async fn cancel(&self, id: String) -> core::result::Result<(), JsValue> {
        let id = job_id(&id)?;
        {
            let mut state = self.state.borrow_mut();
            let crate::state::State { jobs, client, .. } = &mut *state;
            jobs.cancel(client, &id, outside::now()).map_err(Failure::refused)?;
            state.wake();
        }
        Ok(self.flush().await?)
    }

    /// Forgets a job that is over.
    #[wasm_bindgen(js_name = forgetJob)]
    pub async fn forget_job(&self, id: String) -> core::result::Result<(), JsValue> {
        let id = job_id(&id)?;
        self.state.borrow_mut().jobs.forget(&id).map_err(Failure::refused)?;
        Ok(self.flush().await?)
    }
}

fn peer(bytes: &[u8]) -> String {
    PeerId::from_bytes(bytes).map(|peer| peer.to_string()).unwrap_or_default()
}

fn verdict(verdict: &DealVerdict) -> JsValue {
    let wrong = verdict.wrong.iter().map(|wrong| {
        let place = Builder::default().set("position", wrong.position);
        place.set("found", wrong.found.0).set("expected", wrong.expected.0).done()
    });
    let report = Builder::default()
        .set("checked", verdict.checked)
        .set("wrong", list(wrong))
        .set("problem", verdict.problem.as_str())
        .set("milliseconds", verdict.verify_ms)
        .set("engine", verdict.engine.as_str());
    report.done().into()
}

fn view(job: &JobView) -> Object {
    let request = Builder::default()
        .set("model", job.model.to_string())
        .set("prompt", job.prompt.as_str())
        .set("limit", job.limit)
        .set("temperature", job.sampling.temperature)
        .set("topK", job.sampling.top_k)
        .set("topP", job.sampling.top_p)
        .set("seed", job.seed)
        .set("verify", job.verify.name())
        .set("reward", job.reward.0);
    let last = job.states.len().saturating_sub(1);
    let states = job.states.iter().enumerate().map(|(place, entry)| {
        let note = job.note.as_deref().filter(|_| place == last);
        let state = Builder::default().set("state", entry.state.name()).set("at", f64::from(entry.time.0));
        state.set("note", note).done()
    });
    let node = job.node.as_ref().map(|node| {
        let address = peer(node.peer.as_bytes());
        JsValue::from(Builder::default().set("node", node.node_key.to_string()).set("address", address).done())
    });
    let payment = job.payment.as_ref().map(|payment| {
        let paid = Builder::default()
            .set("txid", payment.txid.to_string())
            .set("height", payment.height.map(|height| height.0))
            .set("reward", payment.reward.0)
            .set("fee", payment.fee.0)
            .set("reserve", payment.reserve.0);
        JsValue::from(paid.done())
    });
    Builder::default()
        .set("id", text(job.id))
        .set("request", request.done())
        .set("created", f64::from(job.created.0))
        .set("state", job.state.name())
        .set("states", list(states))
        .set("over", job.over)
        .set("node", node)
        .set("payment", payment)
        .set("promptTokens", ids(&job.prompt_tokens))
        .set("answer", job.answer.as_deref().map(ids))
        .set("verdict", job.verdict.as_ref().map(verdict))
        .set("checkedAgain", job.checked_again.as_ref().map(verdict))
        .done()
}
