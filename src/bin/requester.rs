//! Parse, run, exit code.

fn main() -> std::process::ExitCode {
    pushd::cli::requester::main().into()
}
