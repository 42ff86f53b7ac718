//! Every state that can be reached, breadth first, so that the first path to a broken rule is a shortest one.

use super::engine::Around;
use super::state::{Action, State};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// A state that was reached: from which, by what, and which ones it leads to without a fault.
struct Node {
    from: u32,
    by: Action,
    over: bool,
    free: Vec<u32>,
}

/// What came of exploring.
#[derive(Debug)]
pub struct Explored {
    pub states: usize,
    /// The steps to the state that is farthest away.
    pub depth: usize,
    pub ends: usize,
    pub took: Duration,
    /// More states could have been reached.
    pub cut: bool,
    /// A rule that is broken, and the path to it.
    pub broken: Option<(String, Vec<Action>)>,
}

/// Explores all that can be reached from a state, at most so many states.
pub fn explore(first: State, around: &Around, most: usize) -> Explored {
    let begun = Instant::now();
    let mut found = HashMap::from([(first.fingerprint(), 0)]);
    let mut nodes = vec![Node { from: 0, by: Action::Look, over: false, free: vec![] }];
    let mut open = VecDeque::from([(0_u32, 0_usize, first)]);
    let mut explored = Explored { states: 0, depth: 0, ends: 0, took: Duration::ZERO, cut: false, broken: None };
    while let Some((index, depth, state)) = open.pop_front() {
        explored.depth = explored.depth.max(depth);
        let choices = state.choices();
        if choices.is_empty() {
            nodes[index as usize].over = state.record.way.is_ended();
            explored.ends += 1;
        }
        for choice in choices {
            let next = state.after(choice, around);
            let new = nodes.len() as u32;
            let target = match found.entry(next.fingerprint()) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(_) if nodes.len() >= most => {
                    explored.cut = true;
                    continue;
                }
                Entry::Vacant(place) => {
                    place.insert(new);
                    nodes.push(Node { from: index, by: choice.0, over: false, free: vec![] });
                    if let Some(how) = next.world.broken.first() {
                        explored.broken = Some((how.clone(), path(&nodes, new)));
                        return Explored { states: nodes.len(), took: begun.elapsed(), ..explored };
                    }
                    open.push_back((new, depth + 1, next));
                    new
                }
            };
            if choice.1 == 0 {
                nodes[index as usize].free.push(target);
            }
        }
    }
    let stuck = if explored.cut { None } else { endless(&nodes) };
    let stuck =
        stuck.map(|index| ("G5: no end can be reached from here without a further fault".into(), path(&nodes, index)));
    Explored { states: nodes.len(), took: begun.elapsed(), broken: stuck, ..explored }
}

fn path(nodes: &[Node], mut index: u32) -> Vec<Action> {
    let mut path = Vec::new();
    while index != 0 {
        let node = &nodes[index as usize];
        path.push(node.by);
        index = node.from;
    }
    path.reverse();
    path
}

/// The first state from which no end can be reached without a further fault.
fn endless(nodes: &[Node]) -> Option<u32> {
    let mut before = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        node.free.iter().for_each(|next| before[*next as usize].push(index as u32));
    }
    let mut ends = vec![false; nodes.len()];
    let mut open: Vec<u32> = (0..nodes.len() as u32).filter(|index| nodes[*index as usize].over).collect();
    while let Some(index) = open.pop() {
        if !std::mem::replace(&mut ends[index as usize], true) {
            open.extend(&before[index as usize]);
        }
    }
    ends.iter().position(|ends| !ends).map(|index| index as u32)
}
