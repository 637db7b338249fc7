//! Random numbers that follow from message and revision: the same in a re-run, and
//! known to whoever knows the Msg_ID. Good for spreading, not for keys.

use surety_core::crypto::keccak256;
use surety_core::types::{MsgId, Seq};

use super::{Reached, bindings::wasi::random as wit};
use crate::guest::Guest;

/// keccak256 over a seed and a counter.
pub(crate) struct Random {
    seed: [u8; 32],
    block: u64,
}

impl Random {
    pub(crate) fn new(msg_id: MsgId, seq: Seq) -> Self {
        let mut text = b"surety-random".to_vec();
        text.extend_from_slice(msg_id.as_bytes());
        text.extend_from_slice(&seq.to_be_bytes());
        Self { seed: keccak256(&text), block: 0 }
    }

    fn next(&mut self) -> [u8; 32] {
        let mut text = [0; 40];
        text[..32].copy_from_slice(&self.seed);
        text[32..].copy_from_slice(&self.block.to_be_bytes());
        self.block += 1;
        keccak256(&text)
    }

    fn number(&mut self) -> u64 {
        u64::from_be_bytes(*self.next().first_chunk().expect("32 bytes"))
    }
}

impl Guest {
    fn random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.count_call()?;
        let max = self.wasi.limits.output_bytes_max;
        let len = usize::try_from(len).ok().filter(|len| *len <= max);
        let len = len.ok_or(Reached("output_bytes_max", max as u64))?;
        let mut bytes = Vec::with_capacity(len + 32);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.wasi.random.next());
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    fn random_number(&mut self) -> wasmtime::Result<u64> {
        self.count_call()?;
        Ok(self.wasi.random.number())
    }
}

impl wit::random::Host for Guest {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_number()
    }
}

impl wit::insecure::Host for Guest {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_number()
    }
}

impl wit::insecure_seed::Host for Guest {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.random_number()?, self.wasi.random.number()))
    }
}
