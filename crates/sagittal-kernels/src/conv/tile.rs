//! The two matrix kernels that all convolutions are made of. Each keeps a tile of sums in registers, a few rows high and
//! two vectors wide.

use crate::simd::Vector;

/// Most rows of any register tile.
pub(super) const MOST_ROWS: usize = 12;

/// What the sums of a tile start from.
#[derive(Clone, Copy)]
pub(super) enum Start {
    /// Nothing.
    Zero,
    /// What the output holds.
    Output,
    /// A row of as many numbers as the tile is wide: the bias.
    Row(*const f32),
}

/// Rows of the next tile when `left` are left: full tiles, and two of about equal height at the end rather than a flat
/// one, whose few sums could not hide the latency of the additions.
#[inline(always)]
pub(super) fn next_rows<V: Vector>(left: usize) -> usize {
    let most = V::ROWS;
    if left <= most {
        left
    } else if left < 2 * most {
        left.div_ceil(2)
    } else {
        most
    }
}

/// Calls a tile function with its number of rows as a constant; what a vector type has no registers for is not compiled.
macro_rules! with_rows {
    ($V:ident, $rows:expr, $tile:ident, $($argument:expr),*) => {
        match $rows {
            1 => $tile::<$V, 1>($($argument),*),
            2 => $tile::<$V, 2>($($argument),*),
            3 => $tile::<$V, 3>($($argument),*),
            4 if $V::ROWS >= 4 => $tile::<$V, 4>($($argument),*),
            5 if $V::ROWS >= 5 => $tile::<$V, 5>($($argument),*),
            6 if $V::ROWS >= 6 => $tile::<$V, 6>($($argument),*),
            7 if $V::ROWS >= 7 => $tile::<$V, 7>($($argument),*),
            8 if $V::ROWS >= 8 => $tile::<$V, 8>($($argument),*),
            9 if $V::ROWS >= 9 => $tile::<$V, 9>($($argument),*),
            10 if $V::ROWS >= 10 => $tile::<$V, 10>($($argument),*),
            11 if $V::ROWS >= 11 => $tile::<$V, 11>($($argument),*),
            12 if $V::ROWS >= 12 => $tile::<$V, 12>($($argument),*),
            rows => unreachable!("a tile of {rows} rows"),
        }
    };
}

/// `c[r][..] (+)= sum over panels p and i < k of a[r][p + i] * b[..]`, the rows of `a` anywhere in memory.
///
/// `panels` are offsets from the row pointers; `b` is `[panels, k, 2 * LANES]`, contiguous. Only the first `n` columns
/// are stored.
///
/// # Safety
/// The machine has the instructions of `V`; `a` and `c` hold as many valid rows, at most `V::ROWS`; `b` and `start` are
/// valid for the numbers named above, `start` and `c` for `n` of them.
#[inline(always)]
pub(super) unsafe fn multiply<V: Vector>(
    a: &[*const f32],
    panels: &[isize],
    k: usize,
    b: *const f32,
    start: Start,
    c: &[*mut f32],
    n: usize,
) {
    debug_assert_eq!(a.len(), c.len());
    // SAFETY: passed on.
    unsafe { with_rows!(V, a.len(), multiply_rows, a.as_ptr(), panels, k, b, start, c.as_ptr(), n) }
}

#[inline(always)]
unsafe fn multiply_rows<V: Vector, const R: usize>(
    a: *const *const f32,
    panels: &[isize],
    k: usize,
    mut b: *const f32,
    start: Start,
    c: *const *mut f32,
    n: usize,
) {
    let width = 2 * V::LANES;
    // SAFETY: `multiply` asks for all that is read and written here.
    unsafe {
        let mut sums = [[V::zero(); 2]; R];
        match start {
            Start::Zero => {}
            Start::Output => {
                for r in 0..R {
                    sums[r] = load_row(*c.add(r), n);
                }
            }
            Start::Row(row) => sums = [load_row(row, n); R],
        }
        for &panel in panels {
            let mut rows = [std::ptr::null::<f32>(); R];
            for r in 0..R {
                rows[r] = (*a.add(r)).offset(panel);
            }
            for i in 0..k {
                let (b0, b1) = (V::load(b), V::load(b.add(V::LANES)));
                for r in 0..R {
                    let x = V::splat(*rows[r].add(i));
                    sums[r][0] = x.mul_add(b0, sums[r][0]);
                    sums[r][1] = x.mul_add(b1, sums[r][1]);
                }
                b = b.add(width);
            }
        }
        for r in 0..R {
            store_row(sums[r], *c.add(r), n);
        }
    }
}

/// `c[r][..] (+)= sum over panels and i < k of a[i][r] * b[i][..]`: rows of `a` and `b` are `lda` and `ldb` apart, those of
/// `c` follow one another (`2 * LANES` numbers each). The panels are pairs of pointers into `a` and `b`, and `column` is
/// added to those into `a`. `c` is overwritten where it is `fresh`.
///
/// # Safety
/// The machine has the instructions of `V`; `rows <= V::ROWS`; all pointers are valid for what is named above.
#[inline(always)]
pub(super) unsafe fn multiply_transposed<V: Vector>(
    rows: usize,
    panels: &[(*const f32, *const f32)],
    column: usize,
    k: usize,
    ld: (usize, usize),
    c: *mut f32,
    fresh: bool,
) {
    // SAFETY: passed on.
    unsafe { with_rows!(V, rows, multiply_transposed_rows, panels, column, k, ld, c, fresh) }
}

#[inline(always)]
unsafe fn multiply_transposed_rows<V: Vector, const R: usize>(
    panels: &[(*const f32, *const f32)],
    column: usize,
    k: usize,
    (lda, ldb): (usize, usize),
    c: *mut f32,
    fresh: bool,
) {
    let width = 2 * V::LANES;
    // SAFETY: `multiply_transposed` asks for all that is read and written here.
    unsafe {
        let mut sums = [[V::zero(); 2]; R];
        if !fresh {
            for r in 0..R {
                sums[r] = load_row(c.add(r * width), width);
            }
        }
        for &(a, mut b) in panels {
            let mut a = a.add(column);
            for _ in 0..k {
                let (b0, b1) = (V::load(b), V::load(b.add(V::LANES)));
                for r in 0..R {
                    let x = V::splat(*a.add(r));
                    sums[r][0] = x.mul_add(b0, sums[r][0]);
                    sums[r][1] = x.mul_add(b1, sums[r][1]);
                }
                a = a.wrapping_add(lda);
                b = b.wrapping_add(ldb);
            }
        }
        for r in 0..R {
            store_row(sums[r], c.add(r * width), width);
        }
    }
}

/// The first `n` numbers of two vectors.
///
/// # Safety
/// `from` is valid for `n <= 2 * LANES` numbers.
#[inline(always)]
unsafe fn load_row<V: Vector>(from: *const f32, n: usize) -> [V; 2] {
    // SAFETY: the caller's promise.
    unsafe {
        if n == 2 * V::LANES {
            [V::load(from), V::load(from.add(V::LANES))]
        } else if n > V::LANES {
            [V::load(from), V::load_first(from.add(V::LANES), n - V::LANES)]
        } else {
            [V::load_first(from, n), V::zero()]
        }
    }
}

/// # Safety
/// `to` is valid for `n <= 2 * LANES` numbers.
#[inline(always)]
unsafe fn store_row<V: Vector>(row: [V; 2], to: *mut f32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if n == 2 * V::LANES {
            row[0].store(to);
            row[1].store(to.add(V::LANES));
        } else if n > V::LANES {
            row[0].store(to);
            row[1].store_first(to.add(V::LANES), n - V::LANES);
        } else {
            row[0].store_first(to, n);
        }
    }
}
