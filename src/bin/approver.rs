//! Parse, run, exit code.

fn main() -> std::process::ExitCode {
    pushd::cli::approver::main().into()
}
