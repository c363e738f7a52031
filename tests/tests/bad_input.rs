//! What a user can do wrong with the real program: each ends with one line that says what and what to do, and nothing is
//! lost. (What needs no node at all is in the command line's own tests.)

use anyhow::{Result, ensure};
use camelid_tests::{NodeProcess, random_package, run_command};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

/// An address of network `dev` with one letter changed.
const WRONG_ADDRESS: &str = "dS3LKy1f3wzgXfJxJBWWbdHNwwpqGFGRmS";

/// `camelid node run` with more arguments, to an end that must come by itself.
fn node_run(dir: &Path, args: &[&str]) -> Result<Output> {
    let dir = dir.display().to_string();
    let common = ["--network", "dev", "--data-dir", &dir, "--api", "127.0.0.1:0", "node", "run"];
    run_command(common.iter().chain(args))
}

/// The one line that a command failed with. Log lines above it do not count: they begin with a time.
fn line(output: &Output, parts: &[&str]) -> Result<()> {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1), "exit code {:?}: {error}", output.status.code());
    let lines: Vec<_> = error.lines().filter(|line| !line.starts_with("20")).collect();
    ensure!(lines.len() == 1 && lines[0].starts_with("camelid: "), "{error}");
    for part in parts {
        ensure!(lines[0].contains(part), "{part:?} is missing: {error}");
    }
    Ok(())
}

/// A folder with a wallet, and a node that does not run yet.
fn node(dir: &TempDir, name: &str, args: &[&str]) -> Result<NodeProcess> {
    let node = NodeProcess::new(name, dir.path(), &[&["--listen", "127.0.0.1:0"], args].concat());
    node.make_wallet()?;
    Ok(node)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_node_says_what_is_wrong() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut running = node(&dir, "running", &[])?;
    running.spawn()?;
    running.ready().await?;
    let own = running.command(&["wallet", "address"])?;
    for (args, parts) in [
        (&["wallet", "send", WRONG_ADDRESS, "1"][..], &["address"][..]),
        (&["wallet", "send", own.trim(), "1"], &["too little money"]),
        (&["job", "submit", "--model", "gpt-9", "--prompt", "x", "--reward", "1"], &["gpt-9", "camelid model import"]),
        (&["chain", "tx", "nonsense"], &["nonsense", "64"]),
        (&["chain", "block", "99"], &["99"]),
        (&["job", "show", "00112233"], &["00112233", "camelid job list"]),
    ] {
        line(&running.output(args)?, parts)?;
    }
    // The same data directory and the same ports are not for a second node.
    let listen = running.address().await?;
    let again = ["--listen", "127.0.0.1:0"];
    line(&node_run(running.dir(), &again)?, &["in use by another", "data directory"])?;
    let second = node(&dir, "second", &[])?;
    let port = listen.split('/').nth(4).unwrap_or_default();
    line(&node_run(second.dir(), &["--listen", &listen])?, &[port, "in use", "--listen"])?;
    let api = fs::read_to_string(running.dir().join("api.address"))?;
    let dir_arg = second.dir().display().to_string();
    let args =
        ["--network", "dev", "--data-dir", &dir_arg, "--api", api.trim(), "node", "run", "--listen", "127.0.0.1:0"];
    line(&run_command(args)?, &[api.trim(), "in use", "--api"])?;
    // Another program's port counts as well.
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let taken = taken.local_addr()?.to_string();
    line(&node_run(second.dir(), &["--listen", &taken])?, &[])?;
    // All the while the first one serves.
    ensure!(running.command(&["node", "status"])?.contains("dev"));
    running.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_serves_the_model() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let package = random_package(3)?;
    let mut hub = node(&dir, "hub", &[])?;
    hub.spawn()?;
    hub.ready().await?;
    let mut client = node(&dir, "client", &["--peer", &hub.address().await?])?;
    client.command(&["model", "import", &package.display().to_string(), "--name", "model"])?;
    client.spawn()?;
    client.ready().await?;
    let submit = ["job", "submit", "--model", "model", "--prompt", "x", "--reward", "1"];
    // Until it is connected it says that, afterwards that nobody serves the model.
    loop {
        let output = client.output(&submit)?;
        if String::from_utf8_lossy(&output.stderr).contains("no peers") {
            line(&output, &["--peer"])?;
        } else {
            line(&output, &["nobody serves", "--compute"])?;
            break;
        }
    }
    // Longer than the model's context, which is refused before anybody is asked.
    let long = [&submit[..], &["--max-tokens", "4000"]].concat();
    line(&client.output(&long)?, &["limit of 4000", "the model's context of 128", "shorten"])?;
    client.stop().await?;

    // Without memory for keys and values it cannot check, and does not offer what it cannot check.
    let mut poor = node(&dir, "poor", &["--peer", &hub.address().await?, "--memory", "0MB"])?;
    poor.command(&["model", "import", &package.display().to_string(), "--name", "model"])?;
    poor.spawn()?;
    poor.ready().await?;
    line(&poor.output(&submit)?, &["could not be checked", "too little memory", "--memory", "--verify none"])?;
    hub.stop().await?;
    poor.stop().await
}

#[test]
fn a_node_does_not_start_with_what_cannot_work() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let package = random_package(3)?;
    let listen = ["--listen", "127.0.0.1:0"];
    let bare = dir.path().join("bare");
    line(&node_run(&bare, &[&listen[..], &["--compute", "nothing"]].concat())?, &["nothing"])?;
    let file = package.display().to_string();
    line(&node_run(&bare, &[&listen[..], &["--compute", &file]].concat())?, &["--compute", "camelid wallet new"])?;
    line(&node_run(&bare, &[&listen[..], &["--mine"]].concat())?, &["--mine", "camelid wallet new"])?;

    let with_wallet = node(&dir, "wallet", &[])?;
    let wallet = with_wallet.dir().join("wallet.json");
    let before = fs::read(&wallet)?;
    let poor = [&listen[..], &["--compute", &file, "--memory", "0MB"]].concat();
    line(
        &node_run(with_wallet.dir(), &poor)?,
        &["cannot compute", "too little memory", "larger --memory", "--compute"],
    )?;
    let password = dir.path().join("password");
    fs::write(&password, "not the one\n")?;
    let given = ["--password-file", &password.display().to_string()].map(String::from);
    let given: Vec<&str> = listen.into_iter().chain(given.iter().map(String::as_str)).collect();
    line(&node_run(with_wallet.dir(), &given)?, &["wrong password", "wallet.json"])?;
    ensure!(fs::read(&wallet)? == before, "the wallet file changed");

    let other = with_wallet.dir().display().to_string();
    let args = ["--network", "test", "--data-dir", &other, "node", "run"];
    line(&run_command(args)?, &["network dev, not test", "--network dev"])?;
    ensure!(fs::read(&wallet)? == before, "the wallet file changed");

    let config = with_wallet.dir().join("camelid.toml");
    fs::write(&config, "mining = true\n")?;
    line(&node_run(with_wallet.dir(), &listen)?, &["camelid.toml", "unknown key `mining`"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_database_is_left_as_it_is() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut whole = node(&dir, "whole", &["--mine", "--mining-threads", "1"])?;
    whole.spawn()?;
    while whole.ready().await?.height < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    whole.stop().await?;
    for (name, advice) in [("chain.redb", "delete the file and the chain is fetched again"), ("journal.redb", "backup")]
    {
        let file = whole.dir().join(name);
        let good = fs::read(&file)?;
        for length in [0, 100, good.len() / 2, good.len() - 1] {
            fs::write(&file, &good[..length])?;
            let output = node_run(whole.dir(), &["--listen", "127.0.0.1:0"])?;
            line(&output, &[name, advice]).map_err(|e| e.context(format!("{name} cut to {length} bytes")))?;
            ensure!(fs::read(&file)? == good[..length], "{name} cut to {length} bytes was changed");
        }
        fs::write(&file, &good)?;
    }
    // As it was: it goes on as if nothing had been.
    whole.spawn()?;
    ensure!(whole.ready().await?.height >= 3);
    whole.stop().await
}
