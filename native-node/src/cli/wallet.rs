//! `camelid wallet`.

use super::args::{PasswordArgs, WalletCommand};
use super::output::{pairs, short, table, utc};
use super::{CliError, Context};
use crate::api::types::{AddressView, HistoryEntry, SendRequest, SendResponse, WalletBalance, coins, signed_coins};
use crate::wallet::{KeyFile, KeyFileError, Keyring, Passwords, new_mnemonic};
use camelid_core::keys::Mnemonic;
use serde::Serialize;
use std::io::{BufRead, IsTerminal, Read};
use zeroize::Zeroizing;

/// What `wallet new` and `wallet restore` print.
#[derive(Serialize)]
struct NewWallet {
    address: String,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<String>,
}

pub(super) async fn execute(context: &Context, command: WalletCommand) -> Result<(), CliError> {
    let out = context.out;
    match command {
        WalletCommand::New(password) => create(context, &password, new_mnemonic()?, true)?,
        WalletCommand::Restore(password) => {
            // Before the words are typed.
            refuse_if_there(context)?;
            create(context, &password, Mnemonic::parse(&read_words(context)?)?, false)?;
        }
        WalletCommand::Address => {
            out.value(&context.client()?.get::<AddressView>("/v1/wallet/address").await?, |a| a.address.clone());
        }
        WalletCommand::Balance => {
            out.value(&context.client()?.get::<WalletBalance>("/v1/wallet/balance").await?, balance);
        }
        WalletCommand::Send(send) => {
            let (address, amount_units) = (send.address, send.amount.0);
            let request = SendRequest { address, amount_units, fee_rate_units: send.fee_rate };
            let sent = context.client()?.post::<_, SendResponse>("/v1/wallet/send", &request).await?;
            out.value(&sent, |s| {
                let (amount, fee) = (coins(request.amount_units), coins(s.fee_units));
                format!("sent {amount} coins to {} (fee {fee})\ntransaction {}", request.address, s.txid)
            });
        }
        WalletCommand::History(list) => {
            let mut entries = context.client()?.get::<Vec<HistoryEntry>>("/v1/wallet/history").await?;
            entries.truncate(list.limit);
            out.value(&entries, |entries| history(entries));
        }
    }
    Ok(())
}

fn refuse_if_there(context: &Context) -> Result<(), CliError> {
    let path = context.data_dir.wallet();
    if KeyFile::at(&path).exists() { Err(KeyFileError::AlreadyExists { path }.into()) } else { Ok(()) }
}

fn create(context: &Context, password: &PasswordArgs, words: Mnemonic, show: bool) -> Result<(), CliError> {
    refuse_if_there(context)?;
    let file = KeyFile::at(context.data_dir.wallet());
    let address = Keyring::new(context.network, &words)?.receive_address().to_string();
    let password = Passwords::from_environment(password.password_file.clone()).new_one()?;
    context.data_dir.prepare(context.network)?;
    file.create(context.network, &words, &password)?;
    let words = show.then(|| words.phrase().to_string());
    let wallet = NewWallet { address, file: file.path().display().to_string(), words };
    context.out.value(&wallet, |w| {
        let words = w.words.as_ref().map_or(String::new(), |words| {
            format!(
                "\nThese words are the wallet. Write them down; whoever has them has the coins, and without them a lost\n\
                 password or disk is lost money. They are not shown again:\n\n  {words}\n"
            )
        });
        format!("wallet of network {} in {}\naddress {}\n{words}", context.network, w.file, w.address)
    });
    Ok(())
}

/// One line with the words: never an argument, which every program on the machine could read.
fn read_words(context: &Context) -> Result<Zeroizing<String>, CliError> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        context.out.line("The wallet's words, in one line:");
    }
    let mut words = Zeroizing::new(String::new());
    // 24 words take less; what is longer is something else.
    stdin.lock().take(1024).read_line(&mut words).map_err(CliError::Input)?;
    Ok(words)
}

fn balance(b: &WalletBalance) -> String {
    pairs(&[
        ("spendable", coins(b.confirmed_units)),
        ("on its way", coins(b.pending_units)),
        ("mined, not ripe", coins(b.immature_units)),
        ("in jobs", coins(b.in_jobs_units)),
        ("total", coins(b.total_units())),
    ])
}

fn history(entries: &[HistoryEntry]) -> String {
    let row = |e: &HistoryEntry| {
        let height = e.height.map_or("waits".into(), |h| h.to_string());
        let job = e.job.as_deref().map(short).unwrap_or_default();
        vec![utc(e.time.into()), height, e.kind.clone(), signed_coins(e.change_units), short(&e.txid), job]
    };
    table(
        &["time (UTC)", ">height", "what", ">coins", "transaction", "job"],
        &entries.iter().map(row).collect::<Vec<_>>(),
    )
}
