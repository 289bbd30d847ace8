//! To come.
mod answer;
mod daemon_clock;
mod inbox;
mod question;
#[cfg(test)]
mod samples;
