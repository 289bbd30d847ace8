use rustix::process::{Pid, Signal, kill_process_group};

use super::*;

async fn ran(command: &str, input: &[u8], variables: &[(&str, String)]) -> Ran {
    let hook = Hook::new(command.to_owned(), Duration::from_mins(1));
    ended(&hook, input, variables).await
}

/// Runs it, and waits for longer than any of these may take.
async fn ended(hook: &Hook, input: &[u8], variables: &[(&str, String)]) -> Ran {
    let running = timeout(Duration::from_mins(2), hook.run(input, variables));
    running.await.expect("it is bounded").unwrap()
}

#[tokio::test]
async fn a_command_is_told_on_standard_input_and_its_exit_code_counts() {
    let ran = ran("cat; echo ' why ' >&2; exit 7", b"{\"a\":1}", &[]).await;
    assert_eq!(ran.end, End::Exited(7));
    assert_eq!(ran.stdout.text(), "{\"a\":1}");
    assert_eq!(ran.stderr.first_line(), "why");
}

#[tokio::test]
async fn what_strangers_wrote_is_never_taken_for_a_command() {
    let title = "$(echo gone) `echo gone` '; echo gone; \" \\ \0 é";
    let ran = ran("printf %s \"$TITLE\"", b"", &[("TITLE", title.to_owned())]).await;
    assert_eq!(ran.stdout.text(), title.replace('\0', "\u{fffd}"));
}

#[tokio::test]
async fn a_command_need_not_read_what_it_is_told() {
    let ran = ran("exec true", &vec![b'x'; 4 << 20], &[]).await;
    assert_eq!(ran.end, End::Exited(0));
}

#[tokio::test]
async fn of_an_endless_output_the_beginning_is_kept() {
    let ran = ran("head -c 9000000 /dev/zero", b"", &[]).await;
    assert_eq!(ran.end, End::Exited(0), "nobody had to wait for us");
    assert_eq!(ran.stdout.text().len(), limits::HOOK_OUTPUT_BYTES);
}

#[tokio::test]
async fn a_command_that_prints_without_end_is_killed() {
    for command in ["exec yes", "exec yes >&2"] {
        let hook = Hook::new(command.to_owned(), Duration::from_hours(1));
        let ran = ended(&hook, b"", &[]).await;
        assert_eq!(ran.end, End::TooMuch, "{command}");
    }
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_all_that_it_has_started() {
    let command = "(exec sleep 1000) & echo $!; echo $$; exec sleep 1000";
    let hook = Hook::new(command.to_owned(), Duration::from_secs(5));
    let ran = ended(&hook, b"", &[]).await;
    assert_eq!(ran.end, End::OutOfTime(Duration::from_secs(5)));
    nobody_of(&ran.stdout.text()).await;
}

#[tokio::test]
async fn what_a_command_leaves_running_ends_with_it() {
    let ran = ran("(exec sleep 1000) & echo $!", b"", &[]).await;
    assert_eq!(ran.end, End::Exited(0));
    nobody_of(&ran.stdout.text()).await;
}

#[tokio::test]
async fn who_leaves_the_group_with_our_pipe_is_not_waited_for() {
    let ran = ran("setsid sleep 1000 & echo $!", b"", &[]).await;
    assert_eq!(ran.end, End::Exited(0));
    let left = ran.stdout.text().trim().parse().unwrap();
    // It is ours all the same. Where setsid had to fork it has another number, and nobody is
    // hurt by a number that is free.
    if let Some(left) = Pid::from_raw(left) {
        kill_process_group(left, Signal::KILL).unwrap_or_default();
    }
}

#[tokio::test]
async fn a_signal_is_told_apart_from_an_exit_code() {
    let ran = ran("kill -9 $$", b"", &[]).await;
    assert_eq!(ran.end, End::Signalled(9));
}

#[tokio::test]
async fn a_run_that_is_dropped_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("number");
    let name = file.to_str().unwrap();
    let hook = Hook::new(
        "echo $$ > \"$FILE\"; exec sleep 1000".to_owned(),
        Duration::from_mins(1),
    );
    let said = async {
        loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if text.ends_with('\n') {
                break text;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let variables = [("FILE", name.to_owned())];
    let said = tokio::select! {
        ran = hook.run(b"", &variables) => panic!("it has ended: {ran:?}"),
        said = said => said,
    };
    nobody_of(&said).await;
}

/// Waits until no process of these numbers runs any more.
async fn nobody_of(text: &str) {
    assert!(!text.trim().is_empty(), "it said its number");
    let gone = async {
        while text.lines().any(runs) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(15), gone).await.unwrap();
}

/// A process that has ended but that nobody has waited for yet (state Z) does not run.
fn runs(number: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned());
    state.is_some_and(|state| !state.starts_with(['Z', 'X']))
}
