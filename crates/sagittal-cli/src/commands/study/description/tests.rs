#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const HEAD: &str = "format_version = 1\ntitle = 't'\nquestion = 'q'\ntime = '10m'\nleast_time = '1m'\n";
const ARMS: &str = "[[arms]]\nname = 'a'\nsays = 'the one'\n[[arms]]\nname = 'b'\nsays = 'the other'\n";

fn error(text: &str) -> String {
    format!("{:#}", Study::parse(text, "x.toml").unwrap_err())
}

#[test]
fn what_is_wrong_is_named() {
    let claim = |test: &str| format!("{HEAD}{ARMS}[[claims]]\nsays = 's'\nsource = 'x'\n[[claims.tests]]\n{test}");
    for (text, parts) in [
        (format!("{HEAD}colour = 'red'\n{ARMS}"), &["x.toml", "colour", "line 6"][..]),
        (format!("{HEAD}{ARMS}flavour = 1\n"), &["arm b", "flavour", "plan"]),
        (format!("{HEAD}{ARMS}net = 'resnet'\n"), &["arm b", "patch-stacked2d"]),
        (format!("{HEAD}{ARMS}epochs = 0\n"), &["arm b", "epochs is 0"]),
        (format!("{HEAD}{ARMS}share = 0.5\n"), &["arm b", "share is 0.5", "1 to 100"]),
        (format!("{HEAD}{ARMS}share = 2\nepochs = 3\n"), &["arm b", "one of them"]),
        (format!("{HEAD}{ARMS}unet.stage = 3\n"), &["arm b", "stage", "stages"]),
        (format!("{HEAD}[[arms]]\nname = 'a'\n"), &["arm a", "says"]),
        (format!("{HEAD}[[arms]]\nname = 3\nsays = ''\n"), &["name", "3", "text"]),
        (format!("{HEAD}[[arms]]\nname = '../a'\nsays = 's'\n"), &["../a", "folder"]),
        (format!("{HEAD}[[arms]]\nname = 'a'\nsays = 's'\n[[arms]]\nname = 'A'\nsays = 's'\n"), &["two arms are called A"]),
        (format!("{HEAD}arms = []\n"), &["no arm"]),
        (HEAD.to_owned(), &["arms"]),
        (format!("{HEAD}seeds = [1, 1]\n{ARMS}"), &["seeds", "twice"]),
        (format!("{HEAD}needs.axes = 4\n{ARMS}"), &["needs.axes", "2 or 3"]),
        (format!("{HEAD}cases.validation = 0\n{ARMS}"), &["cases.validation"]),
        (HEAD.replace("'10m'", "'10'") + ARMS, &["10 has no unit"]),
        (HEAD.replace("= 1\n", "= 2\n") + ARMS, &["format_version is 2, expected 1"]),
        (format!("{HEAD}{ARMS}teacher = 'c'\n"), &["arm b", "teacher", "above it"]),
        // An arm is trained before it teaches.
        (format!("{HEAD}{}", ARMS.replace("'the one'", "'the one'\nfrom = 'b'")), &["arm a", "from", "above it"]),
        (claim("measure = 'speed'\narm = 'a'\nabove = 0"), &["speed", "dice"]),
        (claim("measure = 'dice'\narm = 'c'\nabove = 0"), &["claim 1", "\"c\"", "a, b"]),
        (claim("measure = 'dice'\narm = 'a'\nagainst = 'b'"), &["claim 1", "above", "below"]),
        (claim("measure = 'dice'\narm = 'a'\ncontrast = 'ratio'\nabove = 1"), &["claim 1", "against"]),
    ] {
        let found = error(&text);
        for part in parts {
            assert!(found.contains(part), "{part:?} is not in: {found}\nof\n{text}");
        }
    }
}

#[test]
fn what_an_arm_says_takes_the_place_of_the_defaults() {
    let text = format!(
        "{HEAD}[defaults]\nnet = 'unet-2d'\nunet = {{ features = 8, convs = 2 }}\nplan.training = {{ optimizer = 'sgd', learning_rate = 0.1 }}\n\
         {ARMS}unet.convs = 4\nplan.training.learning_rate = 0.2\nplan.batch_size = 3\n"
    );
    let study = Study::parse(&text, "x").unwrap();
    let settings = study.arms[1].settings.over(&study.defaults);
    assert_eq!((settings.net, settings.unet.features, settings.unet.convs), (Some(NetName::Unet2d), Some(8), Some(4)));
    let expected: toml::Table = toml::from_str("batch_size = 3\n[training]\noptimizer = 'sgd'\nlearning_rate = 0.2\n").unwrap();
    assert_eq!(settings.plan, expected);
    assert_eq!(study.arms[0].settings.over(&study.defaults).plan["training"]["learning_rate"].as_float(), Some(0.1));
    assert!(study.arms[1].changes.contains("batch_size = 3"));
}

#[test]
fn claims_are_read() {
    let text = format!(
        "{HEAD}{ARMS}[[claims]]\nsays = 's'\nsource = 'x'\n[[claims.tests]]\nmeasure = 'parameters'\narm = 'a'\nagainst = 'b'\n\
         contrast = 'ratio'\nabove = 2\nbelow = 4.5\n"
    );
    let test = &Study::parse(&text, "x").unwrap().claims[0].tests[0];
    assert_eq!(
        (test.measure, test.contrast, test.limits()),
        (Measure::Parameters, Contrast::Ratio, Limits { above: Some(2.0), below: Some(4.5) })
    );
}
