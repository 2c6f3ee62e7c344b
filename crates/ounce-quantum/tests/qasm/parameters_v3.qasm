OPENQASM 3.0;
include "stdgates.inc";
input float[64] _phi_1_;
input float[64] theta;
gate rzz(p0) _gate_q_0, _gate_q_1 {
  cx _gate_q_0, _gate_q_1;
  rz(p0) _gate_q_1;
  cx _gate_q_0, _gate_q_1;
}
qubit[2] q;
rx(0.5 + 2*theta) q[0];
cx q[0], q[1];
rzz(theta - _phi_1_/3) q[0], q[1];
