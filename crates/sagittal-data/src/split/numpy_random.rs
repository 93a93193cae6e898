//! NumPy's legacy generator, as far as shuffling needs it: nnU-Net's folds come from it.
//!
//! MT19937 (Matsumoto and Nishimura 1998) seeded by `init_genrand`, and the shuffle of `numpy.random.RandomState`:
//! Fisher–Yates from the end, indices drawn by rejection under the smallest covering bit mask.

const N: usize = 624;
const M: usize = 397;

/// `numpy.random.RandomState`.
pub(super) struct NumpyRandom {
    state: [u32; N],
    next: usize,
}

impl NumpyRandom {
    /// `numpy.random.RandomState(seed)`.
    pub(super) fn new(seed: u32) -> Self {
        let mut state = [0; N];
        state[0] = seed;
        for i in 1..N {
            let previous: u32 = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(previous ^ (previous >> 30)).wrapping_add(i as u32);
        }
        Self { state, next: N }
    }

    /// `RandomState.shuffle`.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.at_most(last as u32);
            items.swap(last, other as usize);
        }
    }

    /// A uniform integer of `0..=highest`, for `highest >= 1`.
    fn at_most(&mut self, highest: u32) -> u32 {
        let mask = u32::MAX >> highest.leading_zeros();
        loop {
            let value = self.next_u32() & mask;
            if value <= highest {
                return value;
            }
        }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == N {
            self.refill();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn refill(&mut self) {
        for i in 0..N {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ odd;
        }
        self.next = 0;
    }
}
