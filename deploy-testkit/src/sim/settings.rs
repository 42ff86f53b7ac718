//! Settings of strategies, drawn by a seed.

use super::dice::Dice;
use super::draw::Draw;
use serde_json::{Map, Value, json};

/// Draws settings of a strategy beside its short ones.
pub(super) fn settings(draw: &mut Draw, name: &str, replicas: u32, benign: bool) -> Value {
    let mut settings = Map::new();
    let deadline = 90 + draw.frame().below(300);
    settings.insert("progress_deadline".into(), json!(format!("{deadline}s")));
    let mut set = |percent: u32, key: &str, make: &dyn Fn(&mut Dice) -> Value| {
        if let Some(value) = draw.some(percent, key, make) {
            settings.insert(key.to_owned(), value);
        }
    };
    let when = |yes: bool, percent: u32| if yes { percent } else { 0 };
    set(30, "min_ready", &|dice| json!(format!("{}s", dice.below(8))));
    set(when(name != "recreate" && replicas > 2, 20), "max_failed", &|_| json!(1));
    let spare = matches!(name, "rolling" | "blue_green" | "canary");
    set(when(spare, 30), "max_unavailable", &|dice| json!(dice.below(2)));
    let gate = json!({ "name": "look", "deadline": if benign { "45m" } else { "60s" } });
    set(when(name != "ab_test", 25), "gate", &|_| gate.clone());
    set(25, "judge", &|_| json!({ "interval": "5s" }));
    set(15, "on_deadline", &|_| json!("pause"));
    let timeout = if benign { "20m" } else { "30s" };
    set(25, "before", &|dice| task("backup", timeout, &undo(dice)));
    set(20, "after", &|dice| task("smoke", timeout, &undo(dice)));
    set(when(name == "recreate", 40), "between", &|dice| task("migrate", timeout, &undo(dice)));
    set(when(name == "blue_green", 30), "preview", &|_| task("preview", timeout, &json!("keep")));
    if name == "ab_test" && settings.contains_key("judge") {
        settings.insert("decision".into(), json!("judge"));
    }
    Value::Object(settings)
}

fn task(name: &str, timeout: &str, undo: &Value) -> Value {
    json!([{ "name": name, "run": ["do", name], "timeout": timeout, "undo": undo }])
}

fn undo(dice: &mut Dice) -> Value {
    match dice.below(4) {
        0 => json!("keep"),
        1 => json!({ "forbidden": "it cannot be" }),
        _ => json!({ "run": ["undo"] }),
    }
}
