//! `pushd` is also a builtin of bash, zsh and fish, and changes the folder there.
//!
//! Completions go by the name alone, so ours would take the builtin's place: folders have to be
//! offered beside our commands, as before.

/// What follows the completions of this program.
pub(super) fn beside(name: &str, shell: &str) -> &'static str {
    match (name, shell) {
        ("pushd", "bash") => BASH,
        ("pushd", "zsh") => ZSH,
        ("pushd", "fish") => FISH,
        _ => "",
    }
}

const BASH: &str = r#"
# The builtin of this name takes a folder, so the first word may be one as well.
_pushd_beside_builtin() {
    local word=${COMP_WORDS[COMP_CWORD]}
    if [[ $COMP_CWORD -ne 1 || $word == -* ]]; then
        _pushd "$@"
        return
    fi
    COMPREPLY=()
    [[ -z $word ]] || _pushd "$@"
    local folder
    while IFS= read -r folder; do
        compopt -o filenames 2>/dev/null
        COMPREPLY+=("$folder")
    done < <(compgen -d -- "$word")
}
complete -F _pushd_beside_builtin -o bashdefault -o default pushd
"#;

const ZSH: &str = r#"
# The builtin of this name takes a folder, so the first word may be one as well.
_pushd_beside_builtin() {
    local found=1
    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
        _cd && found=0
        [[ -z $words[2] ]] && return found
    fi
    _pushd "$@" && found=0
    return found
}
compdef _pushd_beside_builtin pushd
"#;

const FISH: &str = r#"
# The function of this name takes a folder, so the first word may be one as well.
complete -c pushd -n "__fish_is_first_token" -a "(__fish_complete_directories)"
"#;
