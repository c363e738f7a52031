//! The real binary `camelid`: what works on files, what it says when something is wrong, and what it makes of a node's
//! answers (the node here is a script that plays one job).

use camelid_core::model::import::{RandomShape, random_model};
use camelid_node::api::types::*;
use camelid_node::api::{ApiError, ApiServer, NodeApi, PageOptions};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

fn camelid(dir: &Path, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_camelid"))
        .args(args)
        .env("CAMELID_DATA_DIR", dir)
        .env("CAMELID_PASSWORD", "a password")
        .env_remove("CAMELID_NETWORK")
        // Must not matter for a node on this machine.
        .env("http_proxy", "http://127.0.0.1:1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What a command printed; it must have succeeded.
fn good(dir: &Path, args: &[&str], input: &str) -> String {
    let output = camelid(dir, args, input);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The one line that a command failed with.
fn bad(dir: &Path, args: &[&str], input: &str) -> String {
    let output = camelid(dir, args, input);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
    assert!(error.starts_with("camelid: ") && error.trim_end().lines().count() == 1, "{args:?}: {error}");
    error
}

#[test]
fn a_wallet_is_made_and_brought_back() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let made: serde_json::Value = serde_json::from_str(&good(&first, &["wallet", "new", "--json"], "")).unwrap();
    let (words, address) = (made["words"].as_str().unwrap(), made["address"].as_str().unwrap());
    assert_eq!(words.split(' ').count(), 12);
    let text = good(&second, &["wallet", "restore"], &format!("{words}\n"));
    assert!(text.contains(address) && !text.contains(words), "{text}");

    let error = bad(&first, &["wallet", "new"], "");
    assert!(error.contains("already there"), "{error}");
    let error = bad(&dir.path().join("third"), &["wallet", "restore"], "abandon abandon\n");
    assert!(error.contains("words") && !dir.path().join("third").exists(), "{error}");
    let error = bad(&first, &["wallet", "new", "--network", "test"], "");
    assert!(error.contains("--network dev"), "{error}");
}

#[test]
fn what_this_machine_or_a_model_cannot_bear_is_not_measured() {
    let dir = tempfile::tempdir().unwrap();
    let (file, huge) = (dir.path().join("tiny.camelid"), dir.path().join("huge.camelid"));
    std::fs::write(&file, random_model(5, &RandomShape::llama()).unwrap()).unwrap();
    // A hole: it takes no room on the disk.
    std::fs::File::create(&huge).unwrap().set_len(1 << 43).unwrap();
    let (file, huge) = (file.to_str().unwrap(), huge.to_str().unwrap());
    let cases = [
        (
            vec!["bench", "engine", "--model", huge],
            vec!["huge.camelid", "too little memory", "8797GB", "smaller model"],
        ),
        (
            vec!["bench", "engine", "--model", file, "--decode", "9", "--jobs", "0", "--prefill", "129"],
            vec!["context is 128", "129 tokens", "--model"],
        ),
        (vec!["bench", "rastic", "--model", file, "--tokens", "1,97"], vec!["context is 128", "129 tokens", "--model"]),
        (vec!["bench", "engine", "--model", file, "--kernel", "abacus"], vec!["no kernel `abacus`", "portable"]),
        (vec!["bench", "rastic", "--model", "nothing"], vec!["no model `nothing`", "camelid model import"]),
    ];
    for (args, parts) in cases {
        let error = bad(dir.path(), &args, "");
        assert!(parts.iter().all(|part| error.contains(part)), "{args:?}: {error}");
    }
    let args = ["bench", "engine", "--engine", "abacus"];
    let error = String::from_utf8(camelid(dir.path(), &args, "").stderr).unwrap();
    assert!(
        error.contains("`abacus` is no engine: expected auto, cpu, reference, or wgpu[:ADAPTER][,memory=SIZE]"),
        "{error}"
    );
}

#[test]
fn a_model_is_measured_and_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tiny.camelid");
    std::fs::write(&file, random_model(5, &RandomShape::llama()).unwrap()).unwrap();
    let (file, plot) = (file.to_str().unwrap(), dir.path().join("plot.svg"));
    let args = ["bench", "rastic", "--model", file, "--tokens", "1,4,20", "--plot", plot.to_str().unwrap(), "--json"];
    let report: serde_json::Value = serde_json::from_str(&good(dir.path(), &args, "")).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|r| r["tokens"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 4, 20]);
    for key in ["generate_ms", "spot_ms", "full_ms"] {
        assert!(rows.iter().all(|r| r[key].as_f64().unwrap() > 0.0), "{report}");
    }
    assert!(std::fs::read_to_string(plot).unwrap().contains("</svg>"));
    let args = ["bench", "engine", "--model", file, "--engine", "reference", "--decode", "5", "--prefill", "9"];
    let text = good(dir.path(), &[&args[..], &["--jobs", "3", "--answer", "7"]].concat(), "");
    assert!(text.contains("reference") && text.contains("3 one after another"), "{text}");
}

/// All of `make bench-chain` in small, two nodes that follow one another included.
#[test]
fn blocks_are_measured() {
    let dir = tempfile::tempdir().unwrap();
    let small = ["bench", "chain", "--rounds", "1", "--seconds", "0.01", "--headers", "30", "--blocks", "2"];
    let sizes = ["--transactions", "20", "--sync-blocks", "30"];
    let text = good(dir.path(), &[&small[..], &sizes, &["--json"]].concat(), "");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let positive = [
        ("hashes", "double_sha256_per_second"),
        ("hashes", "portable_per_second"),
        ("headers", "checks_per_second"),
        ("headers", "accepted_on_disk_per_second"),
        ("signatures", "ratio_to_libsecp256k1"),
        ("signatures", "k256_per_second"),
        ("connect", "per_second"),
        ("connect", "speedup"),
        ("sync", "blocks_per_second"),
        ("sync", "disk_bytes"),
    ];
    for (part, name) in positive {
        assert!(report[part][name].as_f64().is_some_and(|v| v > 0.0), "{part}.{name} in {report}");
    }
    assert_eq!((&report["connect"]["transactions_per_block"], &report["sync"]["blocks"]), (&20.into(), &30.into()));
    let text = good(dir.path(), &[&small[..], &["--transactions", "5", "--sync-blocks", "0"]].concat(), "");
    assert!(text.contains("2 blocks of 5 each") && !text.contains("peak memory"), "{text}");
}

#[test]
fn a_model_is_imported_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("Tiny.camelid");
    std::fs::write(&file, random_model(5, &RandomShape::llama()).unwrap()).unwrap();
    let (data, file) = (dir.path().join("data"), file.to_str().unwrap());
    let text = good(&data, &["model", "import", file], "");
    assert!(text.contains("camelid node run --compute tiny"), "{text}");
    let json = good(&data, &["model", "info", "tiny", "--json"], "");
    let view: ModelView = serde_json::from_str(&json).unwrap();
    assert!(text.contains(&view.root) && good(&data, &["model", "info", &view.root], "").contains(&view.root));
    assert!(bad(&data, &["model", "info", "other"], "").contains("camelid model import"));
    assert!(bad(&data, &["model", "import", "/nowhere/x.bin"], "").contains("/nowhere/x.bin"));
    std::fs::write(dir.path().join("junk.bin"), b"junk").unwrap();
    std::fs::write(dir.path().join("tok.bin"), b"junk").unwrap();
    let error = bad(&data, &["model", "import", dir.path().join("junk.bin").to_str().unwrap()], "");
    assert!(error.contains("junk.bin"), "{error}");
}

#[test]
fn what_is_wrong_is_one_line_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let start = format!("camelid node run --network dev --data-dir {}", dir.path().display());
    for args in [&["chain", "info"][..], &["wallet", "balance"], &["node", "stop"], &["job", "list", "--json"]] {
        let error = bad(dir.path(), args, "");
        assert!(error.contains("no node is running") && error.contains(&start), "{error}");
    }
    std::fs::write(dir.path().join("camelid.toml"), "mine = true\n\nmnie_to = 'x'\n").unwrap();
    let error = bad(dir.path(), &["node", "run"], "");
    assert!(error.contains("camelid.toml, line 3: unknown key `mnie_to`"), "{error}");
    std::fs::remove_file(dir.path().join("camelid.toml")).unwrap();
    let error = bad(dir.path(), &["node", "run", "--network", "main", "--cheat", "alter-token"], "");
    assert!(error.contains("network dev"), "{error}");
    let error = bad(dir.path(), &["node", "run", "--peer", "nowhere"], "");
    assert!(error.contains("`nowhere`"), "{error}");
    for args in
        [&["job", "submit"][..], &["wallet", "send", "x", "one"], &["walet"], &["--network", "moon", "node", "stop"]]
    {
        assert_eq!(camelid(dir.path(), args, "").status.code(), Some(2), "{args:?} is wrong usage");
    }
}

/// A node that plays one job: a status further with every look.
#[derive(Clone, Default)]
struct Script {
    statuses: &'static [&'static str],
    wrong: bool,
    job: Arc<Mutex<Option<JobView>>>,
}

impl Script {
    fn view(&self, job: JobSubmit) -> JobView {
        let zeros = "0".repeat(64);
        JobView {
            id: "ab".repeat(32),
            role: Role::Client,
            status: String::new(),
            over: false,
            timeline: Vec::new(),
            model: job.model,
            model_root: zeros,
            prompt: Some(job.prompt),
            prompt_tokens: 3,
            max_tokens: job.max_tokens,
            seed: job.seed,
            temperature: job.temperature,
            top_k: job.top_k,
            top_p: job.top_p,
            answer: None,
            answer_tokens: None,
            verification: None,
            peer: None,
            reward_units: job.reward_units,
            stake_units: 5,
            reserve_units: 6,
            fees_units: 70,
            change_units: -(job.reward_units as i64) - 70,
            settlement: None,
            end: None,
            transactions: Vec::new(),
            note: None,
        }
    }

    fn next(&self, job: &mut JobView) {
        let at = job.timeline.len();
        let Some(status) = self.statuses.get(at) else { return };
        job.status = status.to_string();
        job.over = at + 1 == self.statuses.len();
        job.timeline.push(TimelineView { status: status.to_string(), time: 1_000 + at as u32, height: 10 });
        if *status == "delivered" {
            job.answer = Some("once upon \u{1b}[2Ja time".into());
            job.answer_tokens = Some(vec![1, 2]);
        }
        if matches!(*status, "verified" | "rejected") {
            let wrong = WrongTokenView {
                position: 1,
                found: 2,
                expected: 9,
                found_text: " dog".into(),
                expected_text: " cat".into(),
            };
            job.verification = Some(VerificationView {
                mode: Verify::Full,
                holds: !self.wrong,
                positions_checked: 2,
                wrong: if self.wrong { vec![wrong] } else { Vec::new() },
                problem: String::new(),
                generate_ms: Some(40),
                verify_ms: 3,
                engine: "reference".into(),
            });
        }
    }
}

fn no<T>() -> Result<T, ApiError> {
    Err(ApiError::conflict("no wallet: make one with `camelid wallet new`"))
}

impl NodeApi for Script {
    async fn status(&self) -> Result<Status, ApiError> {
        no()
    }
    async fn chain(&self) -> Result<ChainInfo, ApiError> {
        no()
    }
    async fn block(&self, id: String) -> Result<BlockView, ApiError> {
        Err(ApiError::not_found(format!("no block {id}")))
    }
    async fn transaction(&self, _: String) -> Result<TransactionView, ApiError> {
        no()
    }
    async fn balance(&self) -> Result<WalletBalance, ApiError> {
        Ok(WalletBalance { confirmed_units: 150_000_000, immature_units: 1, ..WalletBalance::default() })
    }
    async fn address(&self) -> Result<AddressView, ApiError> {
        Ok(AddressView { address: "xAddress".into() })
    }
    async fn send(&self, _: SendRequest) -> Result<SendResponse, ApiError> {
        no()
    }
    async fn history(&self) -> Result<Vec<HistoryEntry>, ApiError> {
        let entry = |n: u32| HistoryEntry {
            txid: "cd".repeat(32),
            kind: "mined".into(),
            job: None,
            change_units: 5_000_000_000,
            height: Some(n),
            time: 1_795_305_600 + n,
            confirmations: 1,
        };
        Ok((0..3).map(entry).collect())
    }
    async fn submit(&self, job: JobSubmit) -> Result<JobView, ApiError> {
        let mut view = self.view(job);
        self.next(&mut view);
        *self.job.lock().unwrap() = Some(view.clone());
        Ok(view)
    }
    async fn jobs(&self) -> Result<Vec<JobView>, ApiError> {
        Ok(self.job.lock().unwrap().iter().cloned().collect())
    }
    async fn job(&self, id: String) -> Result<JobView, ApiError> {
        let mut job = self.job.lock().unwrap();
        let job = job.as_mut().filter(|job| job.id == id).ok_or_else(|| ApiError::not_found("no such job"))?;
        self.next(job);
        Ok(job.clone())
    }
    async fn models(&self) -> Result<Vec<ModelView>, ApiError> {
        Ok(Vec::new())
    }
    async fn peers(&self) -> Result<Vec<PeerView>, ApiError> {
        Ok(Vec::new())
    }
    async fn book(&self) -> Result<BookView, ApiError> {
        Ok(BookView { met: 2, heard: 5, bans: Vec::new() })
    }
    async fn ban(&self, _: BanRequest) -> Result<Done, ApiError> {
        no()
    }
    async fn unban(&self, _: UnbanRequest) -> Result<Done, ApiError> {
        Ok(Done { done: true })
    }
    async fn cheat(&self, _: CheatRequest) -> Result<Done, ApiError> {
        Ok(Done { done: true })
    }
    async fn stop(&self) -> Result<Done, ApiError> {
        Ok(Done { done: true })
    }
}

/// Runs `check` in a folder in which a scripted node runs.
async fn with_node(script: Script, check: impl FnOnce(&Path) + Send + 'static) {
    let dir = tempfile::tempdir().unwrap();
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let (token, address) = (dir.path().join("api.token"), dir.path().join("api.address"));
    let server = ApiServer::start(free, &token, &address, PageOptions::default(), script).await.unwrap();
    tokio::task::spawn_blocking(move || {
        check(dir.path());
        // Another node's token.
        std::fs::write(dir.path().join("api.token"), "0".repeat(64)).unwrap();
        assert!(bad(dir.path(), &["wallet", "balance"], "").contains("--data-dir"));
    })
    .await
    .unwrap();
    server.stop().await;
}

const SUBMIT: [&str; 10] =
    ["job", "submit", "--model", "tiny", "--prompt", "-", "--max-tokens", "9", "--reward", "0.5"];

#[tokio::test(flavor = "multi_thread")]
async fn a_good_job_is_told_as_it_goes() {
    let statuses = &["created", "accepted", "completed", "paid", "delivered", "verified", "closed"];
    with_node(Script { statuses, ..Script::default() }, |dir| {
        let text = good(dir, &SUBMIT, "hello there");
        for part in statuses.iter().chain(&["once upon", "every token is the model's", "-0.5000007 coins"]) {
            assert!(text.contains(part), "{part} is missing: {text}");
        }
        assert!(!text.contains('\u{1b}'), "an answer must not steer the terminal");
        let id = "ab".repeat(32);
        assert!(good(dir, &["job", "show", &id], "").contains("hello there"));
        assert!(good(dir, &["job", "list"], "").contains(&id));
        assert!(bad(dir, &["job", "show", "../stop"], "").contains("is no id"));
        assert!(bad(dir, &["chain", "block", "77"], "").contains("no block 77"));
        assert!(bad(dir, &["chain", "info"], "").contains("camelid wallet new"));

        assert!(good(dir, &["wallet", "balance"], "").contains("1.50000001"));
        let balance: WalletBalance = serde_json::from_str(&good(dir, &["wallet", "balance", "--json"], "")).unwrap();
        assert_eq!(balance.total_units(), 150_000_001);
        let history = good(dir, &["wallet", "history", "--limit", "2"], "");
        assert!(history.lines().count() == 3 && history.contains("+50.00"), "{history}");
        let mut json = vec!["--json"];
        json.extend(SUBMIT);
        let job: JobView = serde_json::from_str(&good(dir, &json, "again")).unwrap();
        assert_eq!((job.status.as_str(), job.prompt.as_deref()), ("closed", Some("again")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_answer_is_shown_and_fails() {
    let statuses = &["created", "accepted", "completed", "paid", "delivered", "rejected", "refunded"];
    with_node(Script { statuses, wrong: true, ..Script::default() }, |dir| {
        let output = camelid(dir, &SUBMIT, "hello");
        let (text, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text.contains("position 1: the answer has \" dog\" (token 2), the model says \" cat\" (token 9)"),
            "{text}"
        );
        assert!(error.contains("the answer is wrong"), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_takes_fails_with_advice() {
    with_node(Script { statuses: &["created", "expired"], ..Script::default() }, |dir| {
        let error = bad(dir, &SUBMIT, "hello");
        assert!(error.contains("--reward"), "{error}");
    })
    .await;
}
