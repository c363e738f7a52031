//! The opcodes: Bitcoin's numbers and names, and `OP_CONTRACT`.

use core::fmt;

macro_rules! opcodes {
    ($($(#[$doc:meta])* $name:ident = $byte:literal, $text:literal;)*) => {
        /// An opcode that is not a push.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Opcode {
            $($(#[$doc])* $name = $byte,)*
        }

        impl Opcode {
            /// All opcodes.
            pub const ALL: &'static [Opcode] = &[$(Opcode::$name),*];

            /// The opcode with this byte.
            pub const fn from_byte(byte: u8) -> Option<Opcode> {
                match byte {
                    $($byte => Some(Opcode::$name),)*
                    _ => None,
                }
            }

            /// The name, as in Bitcoin.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Opcode::$name => $text,)*
                }
            }
        }
    };
}

opcodes! {
    /// Runs what follows if the top is 1.
    If = 0x63, "OP_IF";
    /// Runs what follows if the top is empty.
    NotIf = 0x64, "OP_NOTIF";
    /// Runs what follows if the branch before did not run.
    Else = 0x67, "OP_ELSE";
    /// Ends a conditional.
    EndIf = 0x68, "OP_ENDIF";
    /// Fails unless the top is true; removes it.
    Verify = 0x69, "OP_VERIFY";
    /// Fails.
    Return = 0x6a, "OP_RETURN";
    /// Removes the top.
    Drop = 0x75, "OP_DROP";
    /// Repeats the top.
    Dup = 0x76, "OP_DUP";
    /// Repeats the element below the top.
    Over = 0x78, "OP_OVER";
    /// Exchanges the two on top.
    Swap = 0x7c, "OP_SWAP";
    /// Adds the top's length.
    Size = 0x82, "OP_SIZE";
    /// Whether the two on top are the same bytes.
    Equal = 0x87, "OP_EQUAL";
    /// Fails unless the two on top are the same bytes.
    EqualVerify = 0x88, "OP_EQUALVERIFY";
    /// SHA-256 of the top.
    Sha256 = 0xa8, "OP_SHA256";
    /// RIPEMD-160 of SHA-256 of the top.
    Hash160 = 0xa9, "OP_HASH160";
    /// Double SHA-256 of the top.
    Hash256 = 0xaa, "OP_HASH256";
    /// Whether a signature fits to a public key.
    CheckSig = 0xac, "OP_CHECKSIG";
    /// Fails unless a signature fits to a public key.
    CheckSigVerify = 0xad, "OP_CHECKSIGVERIFY";
    /// Whether m signatures fit to m of n public keys.
    CheckMultisig = 0xae, "OP_CHECKMULTISIG";
    /// Fails unless m signatures fit to m of n public keys.
    CheckMultisigVerify = 0xaf, "OP_CHECKMULTISIGVERIFY";
    /// Fails before a lock time (BIP65).
    CheckLockTimeVerify = 0xb1, "OP_CHECKLOCKTIMEVERIFY";
    /// Fails before a relative lock (BIP112).
    CheckSequenceVerify = 0xb2, "OP_CHECKSEQUENCEVERIFY";
    /// Stands before the terms of a contract.
    Contract = 0xc0, "OP_CONTRACT";
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Pushes nothing.
pub const OP_0: u8 = 0x00;
/// The longest push whose opcode is its length.
pub const MAX_DIRECT_PUSH: u8 = 0x4b;
/// Push with a length of one byte.
pub const OP_PUSHDATA1: u8 = 0x4c;
/// Push with a length of two bytes.
pub const OP_PUSHDATA2: u8 = 0x4d;
/// Pushes the number 1; those of 2 to 16 follow.
pub const OP_1: u8 = 0x51;
/// Pushes the number 16.
pub const OP_16: u8 = 0x60;
