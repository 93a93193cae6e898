//! The course of the vessels: trees that leave the optic disc, arch around the macula, branch and thin out.
//!
//! Each vessel is a walk in small steps whose heading drifts towards a preferred curvature and wriggles at random. At a branching
//! the calibres obey Murray's law, `d^3 = a^3 + b^3` (Murray 1926). A vessel ends where it is too thin to be seen or leaves the field.
//! Lengths are in units of the field of view's radius, from its centre; x to the right, y down.

use rand_chacha::ChaCha8Rng;

use super::{between, normal, retina_camera::Landmarks};

/// Arteries are brighter and show a reflex along their middle; veins are darker and wider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Artery,
    Vein,
}

/// One point of a vessel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) half_width: f64,
}

/// An unbranched vessel.
pub(super) struct Vessel {
    pub(super) kind: Kind,
    pub(super) nodes: Vec<Node>,
}

impl Vessel {
    /// Calibre where the vessel begins.
    pub(super) fn first_half_width(&self) -> f64 {
        self.nodes.first().map_or(0.0, |node| node.half_width)
    }
}

/// Length of one step.
const STEP: f64 = 0.012;
/// Vessels beyond this distance from the centre are not seen.
const HORIZON: f64 = 1.02;
/// Around the centre of the macula there are no vessels.
const AVASCULAR: f64 = 0.1;
/// No tree has more vessels; a safeguard, usual trees have about thirty.
const MOST_VESSELS: usize = 60;

/// A vessel that is about to grow.
struct Bud {
    start: Node,
    heading: f64,
    /// Preferred turn, in radians per unit of length.
    turn: f64,
    kind: Kind,
}

/// Grows the vessels of one eye: an artery and a vein along each of the four arcades, and short ones towards the macula.
///
/// `widest` is the half width of the largest vein, `finest` the one below which nothing grows.
pub(super) fn grow(rng: &mut ChaCha8Rng, landmarks: &Landmarks, widest: f64, finest: f64) -> Vec<Vessel> {
    let Landmarks { disc, disc_radius, macula } = *landmarks;
    let nasal = disc[0].signum();
    let mut vessels = Vec::new();
    for vertical in [-1.0, 1.0] {
        for (kind, side) in [(Kind::Vein, 1.0), (Kind::Artery, -1.0)] {
            let calibre = if kind == Kind::Vein { widest } else { 0.78 * widest };
            // Temporal arcade: leaves steeply, then bends around the macula.
            let steep = between(rng, 1.35, 1.7) + 0.12 * side;
            let temporal = Bud {
                start: on_disc(rng, disc, disc_radius, calibre),
                heading: heading(nasal, vertical, steep),
                turn: nasal * vertical * between(rng, 1.15, 1.5),
                kind,
            };
            // Nasal arcade: thinner and straighter.
            let flat = between(rng, 0.35, 1.05) + 0.15 * side;
            let nasal_bud = Bud {
                start: on_disc(rng, disc, disc_radius, 0.72 * calibre),
                heading: heading(nasal, vertical, flat),
                turn: nasal * vertical * between(rng, -0.5, 0.3),
                kind,
            };
            // Towards the macula.
            let macular_calibre = between(rng, 0.32, 0.5) * calibre;
            let macular = Bud {
                start: on_disc(rng, disc, disc_radius, macular_calibre),
                heading: heading(nasal, vertical, between(rng, 2.5, 2.95)),
                turn: nasal * vertical * between(rng, -0.2, 0.6),
                kind,
            };
            for bud in [temporal, nasal_bud, macular] {
                grow_tree(rng, bud, finest, macula, &mut vessels);
            }
        }
    }
    vessels
}

/// Direction at `angle` from the nasal horizontal (0 = away from the macula, pi = towards it), above or below.
fn heading(nasal: f64, vertical: f64, angle: f64) -> f64 {
    (vertical * angle.sin()).atan2(nasal * angle.cos())
}

/// A starting point inside the disc, where the vessels enter the eye.
fn on_disc(rng: &mut ChaCha8Rng, disc: [f64; 2], disc_radius: f64, half_width: f64) -> Node {
    let mut jitter = || 0.22 * disc_radius * normal(rng).clamp(-2.0, 2.0);
    Node { x: disc[0] + jitter(), y: disc[1] + jitter(), half_width }
}

/// Grows a bud and everything that branches off it, thickest first.
fn grow_tree(rng: &mut ChaCha8Rng, first: Bud, finest: f64, macula: [f64; 2], vessels: &mut Vec<Vessel>) {
    let mut buds = vec![first];
    let mut n_grown = 0;
    while let Some(bud) = buds.pop() {
        if n_grown == MOST_VESSELS {
            break;
        }
        n_grown += 1;
        vessels.push(grow_vessel(rng, bud, finest, macula, &mut buds));
    }
}

/// Walks one vessel to its end; side branches are added to `buds`.
fn grow_vessel(rng: &mut ChaCha8Rng, bud: Bud, finest: f64, macula: [f64; 2], buds: &mut Vec<Bud>) -> Vessel {
    let Bud { start, mut heading, turn, kind } = bud;
    let mut node = start;
    let mut nodes = vec![node];
    let mut wriggle = 0.0;
    let mut side = if between(rng, 0.0, 1.0) < 0.5 { -1.0 } else { 1.0 };
    let mut next_branch = between(rng, 0.1, 0.3);
    let mut walked = 0.0;
    let inside = |node: Node| node.x.hypot(node.y) < HORIZON && (node.x - macula[0]).hypot(node.y - macula[1]) > AVASCULAR;
    while node.half_width > finest && inside(node) {
        // An Ornstein-Uhlenbeck process: the wriggle forgets itself over about eight steps.
        wriggle = 0.88 * wriggle + 0.7 * normal(rng);
        heading += (turn + wriggle) * STEP;
        node.x += heading.cos() * STEP;
        node.y += heading.sin() * STEP;
        node.half_width *= 1.0 - 0.25 * STEP;
        walked += STEP;
        nodes.push(node);
        if walked > next_branch {
            let share = between(rng, 0.38, 0.78);
            let child = share * node.half_width;
            node.half_width *= (1.0 - share.powi(3)).cbrt();
            let spread = between(rng, 0.5, 1.15) * (1.15 - 0.4 * share);
            buds.push(Bud {
                start: Node { half_width: child, ..node },
                heading: heading + side * spread,
                turn: -side * between(rng, 0.0, 0.9),
                kind,
            });
            // The trunk gives way a little to the other side.
            heading -= side * 0.2 * share;
            side = -side;
            next_branch = walked + between(rng, 0.1, 0.3);
        }
    }
    Vessel { kind, nodes }
}
