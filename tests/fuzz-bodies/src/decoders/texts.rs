//! What people type: texts that stand for values. Whatever is read is written as it is read.

use super::values::NETWORKS;
use super::{LOOKING, within};
use camelid_core::hash::{BlockHash, Hash32, JobId, KeyHash, ModelRoot, Txid};
use camelid_core::keys::{Address, DerivationPath, Mnemonic, PublicKey};
use camelid_core::units::{Amount, MAX_MONEY, Network};
use std::str::FromStr;

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    within(LOOKING, text.len(), || read(text));
}

fn read(text: &str) {
    for network in NETWORKS {
        if let Ok(address) = Address::parse(text, network) {
            assert_eq!((address.to_string(), address.network), (text.to_string(), network));
        }
    }
    if let Some(amount) = Amount::parse_coins(text) {
        assert!(amount <= MAX_MONEY);
        assert_eq!(Amount::parse_coins(&amount.to_string()), Some(amount));
    }
    if let Ok(network) = Network::from_str(text) {
        assert_eq!(network.name(), text);
    }
    hexadecimal::<PublicKey>(text);
    hexadecimal::<Hash32>(text);
    hexadecimal::<BlockHash>(text);
    hexadecimal::<Txid>(text);
    hexadecimal::<JobId>(text);
    hexadecimal::<KeyHash>(text);
    hexadecimal::<ModelRoot>(text);
    if let Ok(words) = Mnemonic::parse(text) {
        let entropy = words.entropy();
        let again = Mnemonic::from_entropy(&entropy).expect("what came out goes in");
        assert!(again == words && Mnemonic::parse(&words.phrase()).is_ok_and(|w| w == words));
    }
    if let Ok(path) = text.parse::<DerivationPath>() {
        assert_eq!(path.to_string().parse::<DerivationPath>().ok(), Some(path));
    }
}

fn hexadecimal<T: FromStr + ToString>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text.to_lowercase());
    }
}
