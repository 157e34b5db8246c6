# Sourced by the other scripts: makes .venv/ at the project's root and installs the package into it.
# shellcheck shell=sh
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
venv="$root/.venv"
python="$venv/bin/python"

# install NAME PIP-ARGUMENTS...: once for each state of pyproject.toml and the constraints.
install() {
    name=$1
    shift
    stamp="$venv/.installed-$name"
    wanted=$(cat "$root/pyproject.toml" "$root/scripts/constraints.txt" | cksum)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return
    fi
    if [ ! -x "$python" ]; then
        echo "making $venv" >&2
        "${PYTHON:-python3}" -m venv "$venv"
    fi
    echo "installing efficientfan ($name); this happens once" >&2
    "$python" -m pip install --quiet --disable-pip-version-check -c "$root/scripts/constraints.txt" "$@" >&2
    printf '%s\n' "$wanted" >"$stamp"
}

# install_dev: the package with every extra that the tests use, and the dependency group dev.
install_dev() {
    install pip --upgrade 'pip>=25.1' # the first that reads dependency groups
    install dev -e "$root[train,openvino,quantize,mobile]" --group "$root/pyproject.toml:dev"
}
