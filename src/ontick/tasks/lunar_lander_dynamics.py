"""What will LunarLander-v3 do next? Its flight as a rigid body, and its legs on level ground, in plain arithmetic.

The body is Gymnasium's (``gymnasium.envs.box2d.lunar_lander``): a hull with two legs, which in flight are held at their
stops and so are one with it. A tick is a step of Box2D: impulses, then gravity, then what joints and ground demand
of the velocities, then the positions. The engines' dispersion is drawn at random at every firing; here it is zero,
its mean.

On the ground a leg is a spoke that swings about the hull's origin, without mass, held by a motor of limited torque; its
foot is the lower corner of its box. Contact is solved on velocities by a few sweeps over the feet (sequential impulses,
as Box2D does). Three things are no part of an observation and are supposed, once for all actions of a call:

- the ground is level, at the height of the landing pad: true between x = -0.2 and 0.2, the mean of what is possible
  elsewhere. A foot that touches something higher, or hangs lower without touching, says so itself;
- a leg that does not touch is at its stop;
- a leg that touches is as far open as puts its foot on the ground.

Lengths are in metres, angles in radians, anticlockwise positive; observations are in the environment's units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import cos, sin

from gymnasium.envs.box2d import lunar_lander as env

TICK_S: float = 1 / env.FPS
GRAVITY = -10.0
"""In m/s^2; the environment's default."""

_WIDTH_M, _HEIGHT_M = env.VIEWPORT_W / env.SCALE, env.VIEWPORT_H / env.SCALE
X_M, Y_M = _WIDTH_M / 2, _HEIGHT_M / 2
"""What x = 1 and y = 1 of an observation are."""
V_X, V_Y, SPIN = X_M / env.FPS, Y_M / env.FPS, 20.0 / env.FPS
"""What an observation says of 1 m/s sideways, 1 m/s upwards and 1 rad/s."""

PAD_M = _HEIGHT_M / 4
GROUND_M = 0.99 * PAD_M
"""The terrain is smoothed by ``0.33 * (left + middle + right)``."""
ORIGIN_M = PAD_M + env.LEG_DOWN / env.SCALE
"""The height of the hull's origin where an observation's y is 0."""
LEVEL_M = env.VIEWPORT_W / env.SCALE / 10 + 0.1
"""How far to either side of the middle the ground is level for certain, and a little more."""

HULL_DENSITY, LEG_DENSITY = 5.0, 1.0
LEG_STOP, LEG_OPEN = 0.4 - 0.05, 0.9 - 0.05
"""How far from straight down a leg swings outwards; both of the joint's limits are measured from 0.05."""
LEG_IMPULSE = env.LEG_SPRING_TORQUE * TICK_S
"""The most that a leg's motor gives in a tick, in N m s."""
LEG_RATE = 0.3
"""How fast it pulls the leg in, in rad/s."""
FRICTION = math.sqrt(0.1 * 0.2)
"""Box2D's mean of the terrain's and a leg's."""
SKIN_M, SLOP_M = 0.02, 0.005
"""Two of Box2D's polygon radii, by which bodies touch early; how deep they may then sink."""

_FOOT_M = GROUND_M + SKIN_M - SLOP_M
"""The height of a foot at rest."""
_AWAY_M, _DOWN_M = env.LEG_AWAY / env.SCALE, env.LEG_DOWN / env.SCALE
_LEG_W_M, _LEG_H_M = env.LEG_W / env.SCALE, env.LEG_H / env.SCALE
_INNER_M, _OUTER_M, _SOLE_M = _AWAY_M - _LEG_W_M, _AWAY_M + _LEG_W_M, _DOWN_M + _LEG_H_M
_NEAR_M = GROUND_M + math.hypot(_OUTER_M, _SOLE_M) + 2 * SKIN_M
"""Below this height of the hull's origin a foot may meet the pad."""
_REACHABLE_M = 0.2
"""A foot that is higher above the ground does not meet it within a tick."""
_CLOSE_M = 0.012
"""How high a foot at rest may seem to stand above the pad."""
_AT_REST = 1e-3
"""A body that falls and turns no faster, as observed, stands on something."""
_STILL_M_S = 0.05
"""A foot on the ground that sinks no faster and does not say that it touches goes on so until it comes down anew:
Gymnasium takes a foot for lifted as soon as it leaves one of two edges that it stands on."""
_UNKNOWN_M = 0.05
"""How far below a foot the ground is supposed that must be lower than the pad."""
_LEAST_LEVER_M = 0.05
"""A foot that is closer to straight below the hull's origin does not swing its leg."""
_SWEEPS = 5


def _polygon(corners: Sequence[tuple[float, float]], density: float) -> tuple[float, float, float]:
    """Return the mass, the height of the centre and the inertia about it of a polygon (the shoelace formulas)."""
    area = height = inertia = 0.0
    for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
        cross = ax * by - bx * ay
        area += cross / 2
        height += cross * (ay + by) / 6
        inertia += cross * (ax * ax + ax * bx + bx * bx + ay * ay + ay * by + by * by) / 12
    sign = math.copysign(1, area)  # corners may go round either way
    return density * abs(area), height / area, density * (sign * inertia - height * height / abs(area))


_HULL = [(x / env.SCALE, y / env.SCALE) for x, y in env.LANDER_POLY]
_LEG = [(-_LEG_W_M, -_LEG_H_M), (_LEG_W_M, -_LEG_H_M), (_LEG_W_M, _LEG_H_M), (-_LEG_W_M, _LEG_H_M)]
HULL_KG, HULL_CENTRE_M, HULL_INERTIA = _polygon(_HULL, HULL_DENSITY)
LEG_KG, _, LEG_INERTIA = _polygon(_LEG, LEG_DENSITY)

_LEG_X_M = _AWAY_M * cos(LEG_STOP) + _DOWN_M * sin(LEG_STOP)
_LEG_Y_M = _AWAY_M * sin(LEG_STOP) - _DOWN_M * cos(LEG_STOP)
MASS_KG = HULL_KG + 2 * LEG_KG
CENTRE_M = (HULL_KG * HULL_CENTRE_M + 2 * LEG_KG * _LEG_Y_M) / MASS_KG
"""The centre of mass of hull and legs, above the hull's origin."""
INERTIA = (
    HULL_INERTIA
    + HULL_KG * (HULL_CENTRE_M - CENTRE_M) ** 2
    + 2 * (LEG_INERTIA + LEG_KG * (_LEG_X_M**2 + (_LEG_Y_M - CENTRE_M) ** 2))
)
"""Of hull and legs about that centre, in kg m^2."""

_BETWEEN_M = HULL_CENTRE_M - CENTRE_M
_MAIN = env.MAIN_ENGINE_POWER * env.MAIN_ENGINE_Y_LOCATION / env.SCALE / MASS_KG
"""By how much the main engine changes the speed in a tick, in m/s; its line of action goes through the centre."""
_AWAY_SIDE_M = env.SIDE_ENGINE_AWAY / env.SCALE
_SIDE = env.SIDE_ENGINE_POWER * _AWAY_SIDE_M
"""The impulse of a side engine, in N s."""
_SIDE_X_M, _SIDE_Y_M = 17 / env.SCALE, env.SIDE_ENGINE_HEIGHT / env.SCALE
"""Where it acts; 17 is the source's own."""

NOTHING, LEFT, MAIN, RIGHT = range(4)


def roll_forward(observation: Sequence[float], actions: Sequence[int], gravity: float = GRAVITY) -> list[float]:
    """Return the observation that follows once each of ``actions`` has acted for a tick; all are of 8 features."""
    if not actions:
        return list(observation)
    x, y, vx, vy, tilt, spin, right_touches, left_touches = observation
    x, y = x * X_M, y * Y_M + ORIGIN_M
    vx, vy, spin = vx / V_X, vy / V_Y, spin / SPIN
    touching = right_touches > 0 or left_touches > 0
    feet: tuple[_Foot, _Foot] | None = None
    s, c = sin(tilt), cos(tilt)
    vx, vy = vx + spin * _BETWEEN_M * c, vy + spin * _BETWEEN_M * s  # the hull's centre is observed
    for action in actions:
        if feet is None and (touching or y < _NEAR_M - vy * TICK_S):
            feet = (
                _Foot(1, right_touches > 0, x, y, vy, tilt, spin),
                _Foot(-1, left_touches > 0, x, y, vy, tilt, spin),
            )
        if action == MAIN:
            vx -= _MAIN * s
            vy += _MAIN * c
        elif action != NOTHING:
            side = action - 2
            push_x, push_y = side * _SIDE * c, side * _SIDE * s
            arm_x = -side * _AWAY_SIDE_M * c - _SIDE_X_M * s + CENTRE_M * s
            arm_y = -side * _AWAY_SIDE_M * s + _SIDE_Y_M * c - CENTRE_M * c
            vx += push_x / MASS_KG
            vy += push_y / MASS_KG
            spin += (arm_x * push_y - arm_y * push_x) / INERTIA
        vy += gravity * TICK_S
        if feet is not None:
            vx, vy, spin = _meet_ground(feet, y, vx, vy, tilt, spin)
        x -= CENTRE_M * s - vx * TICK_S
        y += CENTRE_M * c + vy * TICK_S
        tilt += spin * TICK_S
        s, c = sin(tilt), cos(tilt)
        x += CENTRE_M * s
        y -= CENTRE_M * c
    vx, vy = vx - spin * _BETWEEN_M * c, vy - spin * _BETWEEN_M * s
    flags = [float(foot.touches) for foot in feet] if feet else [0.0, 0.0]
    return [x / X_M, (y - ORIGIN_M) / Y_M, vx * V_X, vy * V_Y, tilt, spin * SPIN, *flags]


class _Foot:
    """A foot and the leg that it is the end of."""

    __slots__ = (
        "arm_x",
        "arm_y",
        "close",
        "friction",
        "gap",
        "give",
        "ground",
        "normal",
        "opening",
        "rate",
        "side",
        "silent",
        "slip",
        "touches",
        "x",
        "y",
    )

    def __init__(self, side: int, touches: bool, x: float, y: float, vy: float, tilt: float, spin: float) -> None:
        """See in a state how far open the leg is and where the ground lies below it.

        Args:
            side: 1: the right one, -1: the left one.
            touches: whether the foot touches the ground, as observed.
            x: of the hull's origin, from the middle.
            y: of the hull's origin.
            vy: of the centre of mass.
            tilt: of the hull.
            spin: of the hull.
        """
        self.side = side
        self.touches = touches
        self.opening = LEG_STOP
        self.ground = _FOOT_M
        self.begin_tick(y, tilt, sin(tilt), cos(tilt))
        at_rest = max(abs(vy * V_Y), abs(spin * SPIN)) < _AT_REST
        above = y + self.y - _FOOT_M
        if touches and above < 0:
            self._open_to(_FOOT_M - y, tilt)
            above = y + self.y - _FOOT_M
        elif touches:
            # It is told of a tick late: what rises does not touch any more.
            above -= max(0.0, vy + spin * self.arm_x) * TICK_S
        level = abs(x + self.x) < LEVEL_M
        if touches or at_rest or (above < _CLOSE_M and level):
            self.ground = _FOOT_M + above
        else:
            self.ground = _FOOT_M if above >= 0 else _FOOT_M + above - _UNKNOWN_M
        sinks = vy + spin * self.arm_x < -_STILL_M_S
        self.silent = not touches and not sinks and y + self.y - self.ground <= SLOP_M

    def begin_tick(self, y: float, tilt: float, s: float, c: float) -> None:
        """Take what holds of the positions until they change; ``s`` and ``c`` are the tilt's sine and cosine."""
        self._place(tilt)
        self.gap = max(0.0, y + self.y - self.ground)
        self.arm_x, self.arm_y = self.x + CENTRE_M * s, self.y - CENTRE_M * c
        self.close = min(LEG_RATE, (self.opening - LEG_STOP) / TICK_S)
        self.give = 1 / (1 / MASS_KG + self.arm_x * self.arm_x / INERTIA)
        self.slip = 1 / (1 / MASS_KG + self.arm_y * self.arm_y / INERTIA)
        self.normal = self.friction = 0.0
        self.rate = -self.close

    def end_tick(self, vy: float, spin: float) -> None:
        """Swing the leg: the motor pulls it in, unless the ground pushes it out."""
        lever, rate = self.side * self.x, -self.close
        if lever > _LEAST_LEVER_M:
            rate = max(rate, -(vy + spin * self.arm_x + self.gap / TICK_S) / lever)
        self.opening = max(LEG_STOP, min(LEG_OPEN, self.opening + rate * TICK_S))
        stands = self.gap <= SLOP_M or self.normal > 0
        self.silent = self.silent and stands
        self.touches = stands and not self.silent

    def _place(self, tilt: float) -> None:
        """Find where the foot is, from the hull's origin."""
        angle = self.side * tilt + self.opening
        s, c = sin(angle), cos(angle)
        corner_m = _INNER_M if s > 0 else _OUTER_M
        self.x, self.y = self.side * (corner_m * c + _SOLE_M * s), corner_m * s - _SOLE_M * c

    def _open_to(self, height_m: float, tilt: float) -> None:
        """Open the leg, as far as it goes, until the foot is at this height from the hull's origin."""
        angle = 0.0
        for corner_m in (_INNER_M, _OUTER_M):
            length_m = math.hypot(corner_m, _SOLE_M)
            angle = math.asin(max(-1.0, min(1.0, height_m / length_m))) + math.atan2(_SOLE_M, corner_m)
            if angle > 0:
                break
        self.opening = max(LEG_STOP, min(LEG_OPEN, angle - self.side * tilt))
        self._place(tilt)


def _meet_ground(
    feet: Sequence[_Foot], y: float, vx: float, vy: float, tilt: float, spin: float
) -> tuple[float, float, float]:
    """Return the velocity of the centre and the spin that the ground leaves."""
    s, c = sin(tilt), cos(tilt)
    for foot in feet:
        foot.begin_tick(y, tilt, s, c)
    near = [foot for foot in feet if foot.gap < _REACHABLE_M]
    for _ in range(_SWEEPS):
        for foot in near:
            sliding = vx - spin * foot.arm_y - foot.side * foot.rate * foot.y
            most = FRICTION * foot.normal
            friction = max(-most, min(most, foot.friction - sliding * foot.slip))
            vx += (friction - foot.friction) / MASS_KG
            spin -= foot.arm_y * (friction - foot.friction) / INERTIA
            foot.friction = friction
            # The leg swings out as soon as the foot's impulses turn it harder than its motor can.
            lever = foot.side * foot.x
            yields = lever > _LEAST_LEVER_M and foot.opening < LEG_OPEN
            most = max(0.0, (LEG_IMPULSE + foot.side * foot.y * friction) / lever) if yields else math.inf
            sinking = vy + spin * foot.arm_x - foot.close * lever + foot.gap / TICK_S
            normal = max(0.0, min(most, foot.normal - sinking * foot.give))
            vy += (normal - foot.normal) / MASS_KG
            spin += foot.arm_x * (normal - foot.normal) / INERTIA
            foot.normal = normal
            foot.rate = -foot.close
            if normal == most:
                foot.rate = max(foot.rate, -(vy + spin * foot.arm_x + foot.gap / TICK_S) / lever)
    for foot in feet:
        foot.end_tick(vy, spin)
    return vx, vy, spin
