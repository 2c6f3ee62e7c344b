#!/usr/bin/env bash
# Runs the kernel tests on an emulated CPU with AVX-512 VNNI: Bochs boots a Linux that holds nothing but the test programs.
#
#   conformance/emulate/avx512.sh [CPU MODEL] [TEST FILTER...]
#
# The model is one of `bochs --help cpu` (default corei7_icelake_u). Exits with 0 only if every test program passed.
set -euo pipefail
model=${1:-corei7_icelake_u}
shift || true
filter="$*"
cd "$(dirname "$0")/../.."
target=x86_64-unknown-linux-musl
need() { command -v "$1" >/dev/null || { echo "missing $1: apt-get install $2" >&2; exit 2; }; }
need bochs "bochs bochsbios vgabios"
need grub-mkrescue "grub-common grub-pc-bin xorriso mtools"
need cpio cpio
need dpkg dpkg

work=${EMULATE_DIR:-${CARGO_TARGET_DIR:-target}/emulate}
mkdir -p "$work"
work=$(cd "$work" && pwd)
if [ ! -e "$work/vmlinuz" ]; then
    # Debian's newest kernel for virtual machines, and a static busybox as the guest's shell; unpacked, not installed.
    kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*cloud-amd64\)$/\1/p' | head -1)
    (cd "$work" && apt-get download "$kernel" busybox-static && for deb in ./*.deb; do dpkg -x "$deb" unpacked; done)
    cp "$work"/unpacked/boot/vmlinuz-* "$work/vmlinuz"
    cp "$work/unpacked/bin/busybox" "$work/busybox"
    rm -r "$work/unpacked" "$work"/*.deb
fi

# Test programs without shared libraries.
programs=$(cargo test -p ounce-kernels --target "$target" --tests --no-run 2>&1 | tee /dev/stderr | sed -n 's/.*Executable.*(\(.*\))$/\1/p')
rm -rf "$work/guest" "$work/iso"
mkdir -p "$work/guest"/{bin,proc,sys,tests} "$work/iso/boot/grub"
install -m 755 "$work/busybox" "$work/guest/bin/busybox"
for program in $programs; do
    name=$(basename "$program")
    strip -o "$work/guest/tests/${name%-*}" "$program"
done
cat > "$work/guest/init" <<INIT
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox grep -m1 -o -w -E 'avx512_vnni' /proc/cpuinfo
/bin/busybox grep -m1 'model name' /proc/cpuinfo
export OUNCE_EXPECT_KERNELS=avx512-vnni
failed=0
# The emulated CPU must offer the table, or the other tests would pass without it.
/tests/tables --nocapture || { echo "emulate: finished, failed=1"; /bin/busybox sleep 5; /bin/busybox poweroff -f; }
for program in /tests/*; do
    echo "running \$program"
    \$program --test-threads=1 $filter || failed=1
done
echo "emulate: finished, failed=\$failed"
# Powering off would cut short what the console has not sent yet.
/bin/busybox sleep 5
/bin/busybox poweroff -f
INIT
chmod +x "$work/guest/init"
(cd "$work/guest" && find . | cpio -o -H newc --quiet) > "$work/iso/boot/initrd"
cp "$work/vmlinuz" "$work/iso/boot/vmlinuz"
# Bochs 2.7 reports four features in ways that make Linux turn AVX off or crash: XSAVEC and XSAVES (their sizes are wrong), PKU (its
# state is missing), and FSRM (without fast strings). The kernel is told to do without them.
cat > "$work/iso/boot/grub/grub.cfg" <<'GRUB'
set timeout=0
menuentry tests {
    linux /boot/vmlinuz console=ttyS0 mitigations=off panic=-1 loglevel=4 clearcpuid=321,323,515,580
    initrd /boot/initrd
}
GRUB
grub-mkrescue -o "$work/boot.iso" "$work/iso" 2>/dev/null
cat > "$work/bochsrc" <<BOCHS
megs: 512
cpu: model=$model, count=1, ips=100000000
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=$work/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial.txt
display_library: rfb, options="timeout=0,hideIPS"
clock: sync=none
speaker: enabled=0
sound: driver=dummy, waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
debugger_log: -
log: $work/bochs.log
panic: action=fatal
BOCHS
: > "$work/serial.txt"
echo continue > "$work/debugger"
bochs -q -f "$work/bochsrc" -rc "$work/debugger" > "$work/bochs.out" 2>&1 < /dev/null &
bochs=$!
tail -n +1 -f --pid="$bochs" "$work/serial.txt" &
while kill -0 "$bochs" 2>/dev/null && ! grep -q 'emulate: finished' "$work/serial.txt"; do sleep 2; done
sleep 2
kill "$bochs" 2>/dev/null || true
wait || true
grep -q 'emulate: finished, failed=0' "$work/serial.txt"
