import { expect, test } from 'vitest';
import { podUidOf } from '../../../src/broker/reference.ts';

const UID = '6f4d2a1b-0c3e-4d5f-8a9b-0c1d2e3f4a5b';
const OTHER = '11111111-2222-4333-8444-555555555555';

test.each([
  ['cgroupfs', `0::/kubepods/besteffort/pod${UID}/0123abcd`],
  [
    'systemd',
    `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID.replaceAll('-', '_')}.slice/cri-containerd-0123.scope`,
  ],
  ['version 1', `12:pids:/\n11:memory:/kubepods/pod${UID}/0123abcd\n`],
  [
    'kind',
    `0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${UID.replaceAll('-', '_')}.slice/cri-containerd-01.scope`,
  ],
  ['cgroupfs, of the guaranteed class', `0::/kubepods/pod${UID}/0123abcd`],
  ['cgroupfs, seen from a pod of the same class', `0::/../../pod${UID}/0123abcd`],
  ['cgroupfs, seen from a pod of another class', `0::/../../../burstable/pod${UID}/0123abcd`],
  [
    'systemd, seen from another pod',
    `0::/../../../kubepods-besteffort.slice/kubepods-besteffort-pod${UID.replaceAll('-', '_')}.slice/cri-containerd-0123.scope`,
  ],
  [
    'systemd, seen from a pod of the same class',
    `0::/../../kubepods-burstable-pod${UID.replaceAll('-', '_')}.slice/cri-containerd-0123.scope`,
  ],
  ['a container that has named a cgroup of its own', `0::/kubepods/pod${UID}/0123abcd/kubepods/pod${OTHER}/1`],
])('the pod of a process in a cgroup as %s writes it', (_, cgroup) => {
  expect(podUidOf(cgroup)).toBe(UID);
});

test.each([
  `0::/user.slice/user-1000.slice/user@1000.service/kubepods/pod${UID}/1`,
  `0::/user.slice/user-1000.slice/user@1000.service/kubepods.slice/kubepods-pod${UID.replaceAll('-', '_')}.slice/1.scope`,
  `0::/../../../user.slice/user-1000.slice/user@1000.service/pod${UID}/1`,
  `0::/system.slice/ci.service/kubepods/burstable/pod${UID}/1`,
  `1:name=systemd:/user.slice/kubepods/pod${UID}\n0::/`,
])('%j, which a user may have made, is in no pod', (cgroup) => {
  expect(podUidOf(cgroup)).toBeUndefined();
});

test.each(['0::/user.slice/user-1000.slice', `0::/pod${UID}`, '', '0::/kubepods/podnotauid/1'])('%j is in no pod', (cgroup) => {
  expect(podUidOf(cgroup)).toBeUndefined();
});
