#!/bin/sh
# Installs what the build and the tests need: Debian packages (packages.txt) and a Python
# environment (.venv from requirements.txt). Does nothing, and needs no network, when all is there.
set -eu
cd "$(dirname "$0")"

fail() {
	echo "setup: $*" >&2
	exit 1
}

missing() {
	sed 's/#.*//' packages.txt | while read -r package; do
		[ -z "$package" ] && continue
		case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
		*' installed') ;;
		*) echo "$package" ;;
		esac
	done
}

install_packages() {
	command -v dpkg-query >/dev/null || fail "this is not Debian: install the equivalents of packages.txt"
	packages=$(missing)
	[ -z "$packages" ] && return
	if [ "$(id -u)" -eq 0 ]; then
		sudo=
	else
		command -v sudo >/dev/null || fail "packages are missing and there is no sudo: as root, run" \
			"apt-get install $(echo $packages)"
		sudo=sudo
	fi
	echo "setup: installing" $packages
	$sudo apt-get update -q
	# A service that a package brings must not start here: no policy, no daemon.
	$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
		apt-get install -y -q --no-install-recommends $packages
}

install_python() {
	# A moved tree needs a new environment too: it holds absolute paths.
	wanted=$({ cat requirements.txt && echo "$PWD"; } | sha256sum)
	[ "$(cat .venv/ready 2>/dev/null)" = "$wanted" ] && return
	echo "setup: making the Python environment .venv"
	rm -rf .venv
	/usr/bin/python3 -m venv .venv
	.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes \
		--only-binary :all: -r requirements.txt
	# The project's own package, from this tree, without a download.
	site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	echo "$PWD/analysis" >"$site/haktrace.pth"
	echo "$wanted" >.venv/ready
}

install_packages
install_python
