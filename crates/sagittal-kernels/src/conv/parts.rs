//! Inputs and gradients in one or two parts, and the views of them that kernels work on.

/// An input in one part, or in two whose channels follow one another: a skip connection is concatenated without a copy.
#[derive(Clone, Copy, Debug)]
pub enum Parts<'a> {
    /// `[N, Z, Y, X, C]`.
    One(&'a [f32]),
    /// Channels of `first`, then those of `second`.
    Two {
        /// `[N, Z, Y, X, first_channels]`.
        first: &'a [f32],
        /// Channels of the first part.
        first_channels: usize,
        /// `[N, Z, Y, X, second_channels]`.
        second: &'a [f32],
        /// Channels of the second part.
        second_channels: usize,
    },
}

impl<'a> Parts<'a> {
    /// One tensor holds all channels.
    pub fn one(input: &'a [f32]) -> Self {
        Self::One(input)
    }

    /// The channels of `first` come before those of `second`.
    pub fn two(first: &'a [f32], first_channels: usize, second: &'a [f32], second_channels: usize) -> Self {
        Self::Two { first, first_channels, second, second_channels }
    }

    /// The view that kernels read, checked against the number of voxels and channels.
    pub(super) fn source(self, voxels: usize, channels: usize) -> Source<'a> {
        let parts = match self {
            Self::One(input) => [(input, channels), (&[][..], 0)],
            Self::Two { first, first_channels, second, second_channels } => [(first, first_channels), (second, second_channels)],
        };
        assert_eq!(parts[0].1 + parts[1].1, channels, "the parts do not have {channels} channels together");
        for (part, channels) in parts {
            assert_eq!(part.len(), voxels * channels, "the input does not hold {voxels} voxels of {channels} channels");
        }
        Source { parts }
    }
}

/// Where the gradient of an input goes: the mutable twin of [`Parts`].
#[derive(Debug)]
pub enum PartsMut<'a> {
    /// `[N, Z, Y, X, C]`.
    One(&'a mut [f32]),
    /// Channels of `first`, then those of `second`.
    Two {
        /// `[N, Z, Y, X, first_channels]`.
        first: &'a mut [f32],
        /// Channels of the first part.
        first_channels: usize,
        /// `[N, Z, Y, X, second_channels]`.
        second: &'a mut [f32],
        /// Channels of the second part.
        second_channels: usize,
    },
}

impl<'a> PartsMut<'a> {
    /// One tensor holds all channels.
    pub fn one(d_input: &'a mut [f32]) -> Self {
        Self::One(d_input)
    }

    /// The channels of `first` come before those of `second`.
    pub fn two(first: &'a mut [f32], first_channels: usize, second: &'a mut [f32], second_channels: usize) -> Self {
        Self::Two { first, first_channels, second, second_channels }
    }

    /// The view that kernels write, checked against the number of voxels and channels.
    pub(super) fn sink(self, voxels: usize, channels: usize) -> Sink<'a> {
        let parts = match self {
            Self::One(d_input) => [(d_input, channels), (&mut [][..], 0)],
            Self::Two { first, first_channels, second, second_channels } => [(first, first_channels), (second, second_channels)],
        };
        assert_eq!(parts[0].1 + parts[1].1, channels, "the parts do not have {channels} channels together");
        for (part, channels) in &parts {
            assert_eq!(part.len(), voxels * channels, "the gradient does not hold {voxels} voxels of {channels} channels");
        }
        Sink { parts: parts.map(|(part, channels)| (part.as_mut_ptr(), channels)), _lifetime: std::marker::PhantomData }
    }
}

/// What a kernel reads: two tensors of the same voxels, the second without channels where there is only one.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) parts: [(&'a [f32], usize); 2],
}

/// What a kernel writes: as [`Source`]. Tasks write disjoint voxels or channels of it.
#[derive(Clone, Copy)]
pub(super) struct Sink<'a> {
    pub(super) parts: [(*mut f32, usize); 2],
    _lifetime: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: the pointers come from exclusive borrows that live as long as the view; kernels split the writes among tasks
// so that no two write the same number.
unsafe impl Send for Sink<'_> {}
// SAFETY: as above.
unsafe impl Sync for Sink<'_> {}

/// A vector-wide (or narrower) run of output channels that lies in one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Which part.
    pub(super) part: usize,
    /// First channel within the part.
    pub(super) offset: usize,
    /// First channel of the whole.
    pub(super) channel: usize,
    /// Channels of this block that exist; the register tile may be wider.
    pub(super) n: usize,
}

/// Cuts the output channels of each part into blocks of `width`.
pub(super) fn blocks_of(channels: [usize; 2], width: usize) -> Vec<Block> {
    let mut blocks = vec![];
    for part in 0..2 {
        for offset in (0..channels[part]).step_by(width) {
            let channel = offset + if part == 0 { 0 } else { channels[0] };
            blocks.push(Block { part, offset, channel, n: width.min(channels[part] - offset) });
        }
    }
    blocks
}

impl Sink<'_> {
    pub(super) fn channels(&self) -> [usize; 2] {
        self.parts.map(|(_, channels)| channels)
    }
}
