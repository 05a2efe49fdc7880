"""Published sets of 2D skeletons: addresses, sizes, hashes and class names.

The files are OpenMMLab's (mmaction2 and PYSKL); sizes and hashes agree between independent public
records of them.
"""

from dataclasses import dataclass

# In the order of UCF101's classInd.txt: alphabetical, ignoring case. A plain sort would exchange
# Hammering with HammerThrow and JumpingJack with JumpRope.
_UCF101 = """
    ApplyEyeMakeup ApplyLipstick Archery BabyCrawling BalanceBeam BandMarching BaseballPitch
    Basketball BasketballDunk BenchPress Biking Billiards BlowDryHair BlowingCandles
    BodyWeightSquats Bowling BoxingPunchingBag BoxingSpeedBag BreastStroke BrushingTeeth
    CleanAndJerk CliffDiving CricketBowling CricketShot CuttingInKitchen Diving Drumming Fencing
    FieldHockeyPenalty FloorGymnastics FrisbeeCatch FrontCrawl GolfSwing Haircut Hammering
    HammerThrow HandstandPushups HandstandWalking HeadMassage HighJump HorseRace HorseRiding
    HulaHoop IceDancing JavelinThrow JugglingBalls JumpingJack JumpRope Kayaking Knitting LongJump
    Lunges MilitaryParade Mixing MoppingFloor Nunchucks ParallelBars PizzaTossing PlayingCello
    PlayingDaf PlayingDhol PlayingFlute PlayingGuitar PlayingPiano PlayingSitar PlayingTabla
    PlayingViolin PoleVault PommelHorse PullUps Punch PushUps Rafting RockClimbingIndoor
    RopeClimbing Rowing SalsaSpin ShavingBeard Shotput SkateBoarding Skiing Skijet SkyDiving
    SoccerJuggling SoccerPenalty StillRings SumoWrestling Surfing Swing TableTennisShot TaiChi
    TennisSwing ThrowDiscus TrampolineJumping Typing UnevenBars VolleyballSpiking WalkingWithDog
    WallPushups WritingOnBoard YoYo
"""
_HMDB51 = """
    brush_hair cartwheel catch chew clap climb climb_stairs dive draw_sword dribble drink eat
    fall_floor fencing flic_flac golf handstand hit hug jump kick kick_ball kiss laugh pick pour
    pullup punch push pushup ride_bike ride_horse run shake_hands shoot_ball shoot_bow shoot_gun
    sit situp smile smoke somersault stand swing_baseball sword sword_exercise talk throw turn
    walk wave
"""
_NTU60 = """
    drink water; eat meal/snack; brushing teeth; brushing hair; drop; pickup; throw; sitting down;
    standing up (from sitting position); clapping; reading; writing; tear up paper; wear jacket;
    take off jacket; wear a shoe; take off a shoe; wear on glasses; take off glasses;
    put on a hat/cap; take off a hat/cap; cheer up; hand waving; kicking something;
    reach into pocket; hopping (one foot jumping); jump up; make a phone call/answer phone;
    playing with phone/tablet; typing on a keyboard; pointing to something with finger;
    taking a selfie; check time (from watch); rub two hands together; nod head/bow; shake head;
    wipe face; salute; put the palms together; cross hands in front (say stop); sneeze/cough;
    staggering; falling; touch head (headache); touch chest (stomachache/heart pain);
    touch back (backache); touch neck (neckache); nausea or vomiting condition;
    use a fan (with hand or paper)/feeling warm; punching/slapping other person;
    kicking other person; pushing other person; pat on back of other person;
    point finger at the other person; hugging other person; giving something to other person;
    touch other person's pocket; handshaking; walking towards each other;
    walking apart from each other
"""
_NTU120 = """
    put on headphone; take off headphone; shoot at the basket; bounce ball; tennis bat swing;
    juggling table tennis balls; hush (quiet); flick hair; thumb up; thumb down; make ok sign;
    make victory sign; staple book; counting money; cutting nails; cutting paper (using scissors);
    snapping fingers; open bottle; sniff (smell); squat down; toss a coin; fold paper;
    ball up paper; play magic cube; apply cream on face; apply cream on hand back; put on bag;
    take off bag; put something into a bag; take something out of a bag; open a box;
    move heavy objects; shake fist; throw up cap/hat; hands up (both hands); cross arms;
    arm circles; arm swings; running on the spot; butt kicks (kick backward); cross toe touch;
    side kick; yawn; stretch oneself; blow nose; hit other person with something;
    wield knife towards other person; knock over other person (hit with body);
    grab other person's stuff; shoot at other person with a gun; step on foot; high-five;
    cheers and drink; carry something with other person; take a photo of other person;
    follow other person; whisper in other person's ear; exchange things with other person;
    support somebody with hand; finger-guessing game (playing rock-paper-scissors)
"""

UCF101_CLASSES = tuple(_UCF101.split())
HMDB51_CLASSES = tuple(_HMDB51.split())
NTU60_CLASSES = tuple(" ".join(_NTU60.split()).split("; "))
NTU120_CLASSES = NTU60_CLASSES + tuple(" ".join(_NTU120.split()).split("; "))  # A1 to A120


@dataclass(frozen=True)
class PublishedFile:
    """A file to download: https address, size in bytes, SHA-256."""

    name: str
    address: str
    size: int
    sha256: str


@dataclass(frozen=True)
class PublishedSet(PublishedFile):
    """A set of clips to download, with its class names in label order."""

    classes: tuple[str, ...]


_HOST = "https://download.openmmlab.com"
CATALOGUE = {
    published.name: published
    for published in (
        PublishedSet(
            "ucf101",
            f"{_HOST}/mmaction/v1.0/skeleton/data/ucf101_2d.pkl",
            1_070_780_736,
            "5222399cb86d4e687db8437a20acaeee1bf1d8d4cc7a9036a31da0197529ed7e",
            UCF101_CLASSES,
        ),
        PublishedSet(
            "hmdb51",
            f"{_HOST}/mmaction/v1.0/skeleton/data/hmdb51_2d.pkl",
            212_759_219,
            "8d2c7a5348ed1c9897ea3c69aee025e2c17cc672c6f361683ce1784d0a784287",
            HMDB51_CLASSES,
        ),
        PublishedSet(
            "ntu60",
            f"{_HOST}/mmaction/pyskl/data/nturgbd/ntu60_hrnet.pkl",
            705_401_771,
            "953836d9dcae0b139ba524cee5003346c5cb4cbb26b0371cbf927f0cfa383c6a",
            NTU60_CLASSES,
        ),
    )
}
