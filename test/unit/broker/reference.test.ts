import { expect, test } from 'vitest';
import { podUidOf } from '../../../src/broker/reference.ts';

const UID = '6f4d2a1b-0c3e-4d5f-8a9b-0c1d2e3f4a5b';

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
])('the pod of a process in a cgroup as %s writes it', (_, cgroup) => {
  expect(podUidOf(cgroup)).toBe(UID);
});

test.each(['0::/user.slice/user-1000.slice', `0::/pod${UID}`, '', '0::/kubepods/podnotauid/1'])('%j is in no pod', (cgroup) => {
  expect(podUidOf(cgroup)).toBeUndefined();
});
