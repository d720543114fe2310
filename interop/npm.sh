# Sourced by scripts that use npm packages: `npm_modules FOLDER NAME@VERSION…` prints the folder that
# holds them. The suite runner installs what `needs` names; alone, a folder of its own is kept.
npm_modules() {
    folder=${WAYLEAVE_NPM:-${XDG_CACHE_HOME:-$HOME/.cache}/wayleave-interop/$1}
    shift
    for tool in node npm; do
        if ! command -v "$tool" >/dev/null; then
            echo "FAILED: expected $tool (node 20 or later): the independent program runs on it" >&2
            exit 2
        fi
    done
    for package in "$@"; do
        if [ ! -d "$folder/node_modules/${package%@*}" ]; then
            echo "installing $* into $folder: the independent program" >&2
            mkdir -p "$folder"
            npm install --prefix "$folder" --no-package-lock --no-audit --no-fund --ignore-scripts \
                --loglevel=error "$@" >&2
            break
        fi
    done
    echo "$folder"
}
