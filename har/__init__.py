"""Human action recognition from 2D skeletons: the library behind the pipeline's stages."""
